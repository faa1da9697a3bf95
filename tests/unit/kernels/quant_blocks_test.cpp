// Every block type against golden blocks: 64 blocks of random fields with their f32 values, to the
// bit (signs of zero included). The values come from an independent decoder.
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/quant/codebooks.h"
#include "kernels/quant/decode_row.h"
#include "kernels/quant/fp4.h"
#include "kernels/quant/half.h"
#include "kernels/quant/integer_row.h"

namespace shoal::kernels {
namespace {

std::string read_data(const std::string& name) {
  std::ifstream in(std::string(SHOAL_TEST_DATA) + "/quant_blocks/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

struct Case {
  DType dtype;
  const char* name;
};

class QuantBlocks : public testing::TestWithParam<Case> {};

TEST_P(QuantBlocks, DecodesGoldenBlocksToTheBit) {
  const auto [dtype, name] = GetParam();
  const std::string blocks = read_data(std::string(name) + ".blocks");
  const std::string golden = read_data(std::string(name) + ".f32");
  const int64_t cols = 64 * dtype_traits(dtype).block_elements;
  ASSERT_EQ(blocks.size(), static_cast<size_t>(row_bytes(dtype, cols)));
  ASSERT_EQ(golden.size(), static_cast<size_t>(cols) * 4);

  // At an odd address, as tensors of a file may be.
  std::vector<std::byte> row(blocks.size() + 1);
  std::memcpy(row.data() + 1, blocks.data(), blocks.size());
  std::vector<float> values(cols);
  decode_row(dtype, row.data() + 1, cols, values.data());
  for (int64_t k = 0; k < cols; ++k) {
    uint32_t expected;
    std::memcpy(&expected, golden.data() + 4 * k, 4);
    ASSERT_EQ(std::bit_cast<uint32_t>(values[k]), expected) << name << " column " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Types,
                         QuantBlocks,
                         testing::Values(Case{DType::kF16, "F16"},
                                         Case{DType::kBF16, "BF16"},
                                         Case{DType::kQ8_0, "Q8_0"},
                                         Case{DType::kQ4_K, "Q4_K"},
                                         Case{DType::kQ5_K, "Q5_K"},
                                         Case{DType::kQ6_K, "Q6_K"},
                                         Case{DType::kIQ3_XXS, "IQ3_XXS"},
                                         Case{DType::kIQ4_XS, "IQ4_XS"},
                                         Case{DType::kMXFP4, "MXFP4"}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(QuantTables, GridAndSignsEqualTheDataFiles) {
  std::ifstream grid(std::string(SHOAL_TEST_DATA) + "/quant_blocks/IQ3_XXS.grid.txt");
  for (size_t k = 0; k < kIq3XxsGrid.size(); ++k)
    for (int i = 0; i < 4; ++i) {
      uint32_t expected = 0;
      ASSERT_TRUE(grid >> expected);
      EXPECT_EQ(kIq3XxsGrid[k] >> 8 * i & 255, expected) << "entry " << k << " number " << i;
    }
  std::ifstream masks(std::string(SHOAL_TEST_DATA) + "/quant_blocks/ksigns.txt");
  for (size_t k = 0; k < kEvenSigns.size(); ++k) {
    uint32_t mask = 0;
    ASSERT_TRUE(masks >> mask);
    for (int i = 0; i < 8; ++i)
      EXPECT_EQ(kEvenSigns[k] >> 8 * i & 255, mask >> i & 1 ? 255u : 1u) << k << " bit " << i;
  }
}

TEST(QuantTables, SmallExponentsAreSubnormalHalves) {
  EXPECT_EQ(half_of_e8m0(0), 0x1p-128f);
  EXPECT_EQ(half_of_e8m0(1), 0x1p-127f);
  EXPECT_EQ(half_of_e8m0(2), 0x1p-126f);
  EXPECT_EQ(half_of_e8m0(128), 1.0f);
  EXPECT_EQ(half_of_e8m0(255), 0x1p127f);
}

TEST(Half, WidensSubnormalsInfinitiesAndSigns) {
  EXPECT_EQ(f32_from_f16(0x0001), 0x1p-24f);
  EXPECT_EQ(f32_from_f16(0x03ff), 1023 * 0x1p-24f);
  EXPECT_EQ(f32_from_f16(0x3c00), 1.0f);
  EXPECT_EQ(f32_from_f16(0xfbff), -65504.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(f32_from_f16(0x8000)), 0x80000000u);
  EXPECT_EQ(std::bit_cast<uint32_t>(f32_from_f16(0xfc00)), 0xff800000u);
  EXPECT_TRUE(f32_from_f16(0x7e00) != f32_from_f16(0x7e00));
}

}  // namespace
}  // namespace shoal::kernels
