// What a test under mpirun gets from mpi_main.cpp.
#pragma once
#include "transport/host_comm.h"

namespace shoal::transport {

// The world of this run. Made before the tests, gone after them.
HostComm& world_comm();

}  // namespace shoal::transport
