// The cases lie in device_exchange_cases.cpp; mpi_main.cpp runs them.
