// The GPU that this process computes on, as far as a plan or a report wants to know.
#pragma once
#include <cstdint>
#include <string>

namespace shoal::device {

struct DeviceFacts {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  uint64_t total_bytes = 0, free_bytes = 0;
};

// Whether this build has CUDA and a GPU answers; if not, why not in `reason`.
bool gpu_answers(std::string& reason);

// Throws Error(kUsage) where none answers.
DeviceFacts gpu_facts();

}  // namespace shoal::device
