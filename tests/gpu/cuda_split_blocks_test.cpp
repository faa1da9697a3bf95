// Blocks cut on the device, byte for byte as on the host.
#include <random>

#include "kernels/cuda/split_blocks.h"
#include "tests/gpu/gpu_machine.h"

namespace shoal::kernels {
namespace {

TEST(CudaSplitBlocks, EqualsTheHost) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::mt19937 random(7);
  for (const DType dtype : {DType::kQ8_0,
                            DType::kQ4_K,
                            DType::kQ5_K,
                            DType::kQ6_K,
                            DType::kIQ3_XXS,
                            DType::kIQ4_XS,
                            DType::kMXFP4})
    for (const int64_t num_blocks : {0, 1, 3, 1000}) {
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << ", " << num_blocks << " blocks");
      const BlockCut cut = *find_block_cut(dtype);
      std::vector<std::byte> blocks(static_cast<size_t>(num_blocks * cut.block_bytes));
      for (std::byte& byte : blocks) byte = static_cast<std::byte>(random());
      std::vector<std::byte> bodies(static_cast<size_t>(num_blocks * cut.body_bytes()));
      std::vector<std::byte> heads(static_cast<size_t>(num_blocks * cut.head_bytes));
      const OnDevice<std::byte> from(blocks), to_bodies(bodies), to_heads(heads);
      const device::CudaStream stream;
      split_blocks(cut, blocks.data(), num_blocks, {bodies.data(), heads.data()});
      cuda::split_blocks(
          cut, from.data(), num_blocks, {to_bodies.data(), to_heads.data()}, stream.view());
      stream.synchronize();
      EXPECT_EQ(to_bodies.download(), bodies);
      EXPECT_EQ(to_heads.download(), heads);
    }
}

}  // namespace
}  // namespace shoal::kernels
