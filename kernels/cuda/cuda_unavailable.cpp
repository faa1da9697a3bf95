#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/fill_random.h"
#include "kernels/cuda/split_blocks.h"
#include "runtime/base/error.h"

namespace shoal::kernels::cuda {

const KernelTable& kernel_table() {
  throw Error(ExitCode::kUsage, "this build has no CUDA kernels (configure with -DSHOAL_CUDA=ON)");
}

void split_blocks(const BlockCut&, const std::byte*, int64_t, SplitPlanes, Stream) {
  throw Error(ExitCode::kUsage, "this build has no CUDA kernels (configure with -DSHOAL_CUDA=ON)");
}

void fill_random(const WeightView&, uint64_t, Stream) {
  throw Error(ExitCode::kUsage, "this build has no CUDA kernels (configure with -DSHOAL_CUDA=ON)");
}

}  // namespace shoal::kernels::cuda
