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

// The GPU that the calling thread computes on from now on: the index-th, counted round. Ranks of
// one host share them out so. Nothing where none answers.
void choose_gpu(int index);
int num_gpus();  // 0 where none answers

// From now on nothing of the device is waited for or given back: memory, graphs and streams are
// left to the end of the process. For a process that leaves because work on the device cannot end
// (a peer is gone), since giving memory back waits for all of it.
void abandon_device() noexcept;

}  // namespace shoal::device
