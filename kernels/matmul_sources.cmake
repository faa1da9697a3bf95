set(SHOAL_MATMUL_SOURCES
  select_kernels.cpp
)
