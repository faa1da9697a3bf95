// The cases lie in device_text_cases.cpp; mpi_main.cpp runs them.
