// Where tests of the device's exchange compute: SHOAL_BACKEND=cuda, else the reference backend.
#pragma once
#include "runtime/base/backend.h"
#include "runtime/base/env.h"
#include "runtime/device/device_facts.h"
#include "tests/ranks/mpi_main.h"

namespace shoal::transport {

inline Backend test_backend() {
  if (env_flag("backend").value_or("") != "cuda") return Backend::kReference;
  device::choose_gpu(host_place(world_comm().size()).local_rank);
  return Backend::kCuda;
}

}  // namespace shoal::transport
