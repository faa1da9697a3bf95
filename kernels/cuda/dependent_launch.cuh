// Kernels whose beginning overlaps the end of the kernel before (programmatic dependent launch).
// A kernel launched with LaunchShape::overlaps_previous calls wait_for_inputs() in every thread
// before it reads anything that an earlier kernel wrote; weights and kernel parameters may be read
// before. The kernel after it may start once all its thread blocks have passed this call, so when a
// kernel begins, everything before its predecessor has ended.
#pragma once

namespace shoal::kernels::cuda {

__device__ inline void wait_for_inputs() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace shoal::kernels::cuda
