// Copies from device to shared memory that go on while the thread does other things. Each thread
// waits for its own; a barrier then shows them to the others. Places in shared memory are pointers
// or its own 32-bit addresses.
#pragma once

namespace shoal::kernels::cuda {

__device__ inline unsigned shared_place(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ inline void copy_16_async(unsigned to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ inline void copy_16_async(void* to, const void* from) {
  copy_16_async(shared_place(to), from);
}

__device__ inline void copy_4_async(unsigned to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
__device__ inline void copy_4_async(void* to, const void* from) {
  copy_4_async(shared_place(to), from);
}

// The copies since the last call are one group.
__device__ inline void end_copy_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until all but the newest kLeft groups are there.
template <int kLeft>
__device__ inline void await_copy_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

// Until all are there, in a group or not.
__device__ inline void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace shoal::kernels::cuda
