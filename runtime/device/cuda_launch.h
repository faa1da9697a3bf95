// The one way to launch a kernel: always on a stream, always checked at the place of the launch.
//   Launch({.grid = dim3(rows), .block = dim3(256), .stream = exec.stream})(kernel, a, b);
// An empty grid launches nothing. Errors that arise while the kernel runs show at the next check
// after a synchronisation, as always with CUDA.
#pragma once
#include <cuda_runtime.h>

#include <source_location>

#include "runtime/base/exec.h"
#include "runtime/device/cuda_check.h"

namespace shoal::device {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  Stream stream;
  size_t shared_bytes = 0;  // dynamic shared memory
  // The kernel waits for its inputs itself (kernels/cuda/dependent_launch.cuh), so it may start
  // while the one before it on the stream still runs.
  bool overlaps_previous = false;
  // Thread blocks, neighbours along x, that run at the same time and can wait for each other
  // (Hopper and later, at most 8); 0: none.
  unsigned cluster = 0;
};

// Dynamic shared memory that a kernel may have without asking.
inline constexpr size_t kDefaultSharedBytes = 48 << 10;

class Launch {
 public:
  explicit Launch(const LaunchShape& shape,
                  std::source_location place = std::source_location::current())
      : shape_(shape), place_(place) {}

  // Arguments are converted to the kernel's parameter types first.
  template <class... Params, class... Args>
  void operator()(void (*kernel)(Params...), Args&&... args) const {
    if (shape_.grid.x == 0 || shape_.grid.y == 0 || shape_.grid.z == 0) return;
    cudaLaunchConfig_t config = {};
    config.gridDim = shape_.grid;
    config.blockDim = shape_.block;
    config.dynamicSmemBytes = shape_.shared_bytes;
    config.stream = static_cast<cudaStream_t>(shape_.stream.handle);
    cudaLaunchAttribute attributes[2] = {};
    config.attrs = attributes;
    if (shape_.overlaps_previous && has_dependent_launch()) {
      cudaLaunchAttribute& overlap = attributes[config.numAttrs++];
      overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
      overlap.val.programmaticStreamSerializationAllowed = 1;
    }
    if (shape_.cluster > 0) {
      cudaLaunchAttribute& cluster = attributes[config.numAttrs++];
      cluster.id = cudaLaunchAttributeClusterDimension;
      cluster.val.clusterDim.x = shape_.cluster;
      cluster.val.clusterDim.y = 1;
      cluster.val.clusterDim.z = 1;
    }
    if (shape_.shared_bytes > kDefaultSharedBytes)
      cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                      cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(shape_.shared_bytes)),
                 "cudaFuncSetAttribute",
                 place_);
    cuda_check(
        cudaLaunchKernelEx(&config, kernel, static_cast<Args&&>(args)...), "kernel launch", place_);
  }

 private:
  LaunchShape shape_;
  std::source_location place_;
};

}  // namespace shoal::device
