// Rows of the embedding table are decoded exactly.
#include <cmath>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

TEST(CudaEmbedRows, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const DType dtype :
       {DType::kF32,   DType::kF16,   DType::kBF16,    DType::kQ8_0,    DType::kQ4_K,
        DType::kQ5_K,  DType::kQ6_K,  DType::kIQ3_XXS, DType::kIQ4_XS,  DType::kMXFP4,
        DType::kQ4_0,  DType::kQ4_1,  DType::kQ5_0,    DType::kQ5_1,    DType::kQ2_K,
        DType::kQ3_K,  DType::kIQ1_S, DType::kIQ1_M,   DType::kIQ2_XXS, DType::kIQ2_XS,
        DType::kIQ2_S, DType::kIQ3_S, DType::kIQ4_NL,  DType::kTQ1_0,   DType::kTQ2_0,
        DType::kNVFP4}) {
    SCOPED_TRACE(dtype_name(dtype));
    std::mt19937 random(19);
    constexpr int64_t kCols = 1280;
    const WeightMatrix table(dtype, 50, kCols, random);
    const DeviceWeight device_table(table.view());
    GpuMachine gpu;
    for (const int64_t n : {0, 1, 37}) {
      std::vector<int32_t> ids(n);
      for (int64_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>((i * 29 + 49) % 50);
      std::vector<float> expected(n * kCols);
      Machine reference(Backend::kReference);
      reference.run(&KernelTable::embed_rows,
                    {table.view(), column(ids), view_f32(expected.data(), n, kCols)});
      const OnDevice<int32_t> device_ids(ids);
      const OnDevice<float> output(std::vector<float>(n * kCols, NAN));
      gpu.run(&KernelTable::embed_rows,
              {device_table.view(), column(device_ids, n), matrix(output, n, kCols)});
      expect_same_bits(expected, output.download());
    }
  }
}

TEST(CudaEmbedRows, AnIdOutsideTheTableGivesNan) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::mt19937 random(19);
  for (const DType dtype : {DType::kQ6_K, DType::kF16}) {
    const WeightMatrix table(dtype, 5, 256, random);
    const DeviceWeight device_table(table.view());
    const OnDevice<int32_t> ids(std::vector<int32_t>{-1, 5});
    const OnDevice<float> output(std::vector<float>(512));
    GpuMachine gpu;
    gpu.run(&KernelTable::embed_rows,
            {device_table.view(), column(ids, 2), matrix(output, 2, 256)});
    for (const float value : output.download()) ASSERT_TRUE(std::isnan(value));
  }
}

}  // namespace
}  // namespace shoal::kernels
