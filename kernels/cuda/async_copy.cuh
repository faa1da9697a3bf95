// Copies from device to shared memory that go on while the thread does other things. Each thread
// waits for its own; a barrier then shows them to the others.
#pragma once

namespace shoal::kernels::cuda {

template <int kBytes>
__device__ inline void copy_async(float* to_shared, const float* from) {
  static_assert(kBytes == 4 || kBytes == 16);
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(to_shared));
  if constexpr (kBytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}

// The copies since the last call are one group.
__device__ inline void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until all but the newest kLeft groups are there.
template <int kLeft>
__device__ inline void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

}  // namespace shoal::kernels::cuda
