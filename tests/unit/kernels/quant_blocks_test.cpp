// Every block type against golden blocks: 16 or 64 blocks of random fields with their f32 values,
// to the bit (signs of zero included). The values come from an independent decoder.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
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
  const DTypeTraits& traits = dtype_traits(dtype);
  const auto num_blocks = static_cast<int64_t>(blocks.size()) / traits.block_bytes;
  ASSERT_GE(num_blocks, 16);
  const int64_t cols = num_blocks * traits.block_elements;
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
                                         Case{DType::kQ4_0, "Q4_0"},
                                         Case{DType::kQ4_1, "Q4_1"},
                                         Case{DType::kQ5_0, "Q5_0"},
                                         Case{DType::kQ5_1, "Q5_1"},
                                         Case{DType::kQ8_0, "Q8_0"},
                                         Case{DType::kQ2_K, "Q2_K"},
                                         Case{DType::kQ3_K, "Q3_K"},
                                         Case{DType::kQ4_K, "Q4_K"},
                                         Case{DType::kQ5_K, "Q5_K"},
                                         Case{DType::kQ6_K, "Q6_K"},
                                         Case{DType::kIQ1_S, "IQ1_S"},
                                         Case{DType::kIQ1_M, "IQ1_M"},
                                         Case{DType::kIQ2_XXS, "IQ2_XXS"},
                                         Case{DType::kIQ2_XS, "IQ2_XS"},
                                         Case{DType::kIQ2_S, "IQ2_S"},
                                         Case{DType::kIQ3_XXS, "IQ3_XXS"},
                                         Case{DType::kIQ3_S, "IQ3_S"},
                                         Case{DType::kIQ4_NL, "IQ4_NL"},
                                         Case{DType::kIQ4_XS, "IQ4_XS"},
                                         Case{DType::kMXFP4, "MXFP4"},
                                         Case{DType::kNVFP4, "NVFP4"},
                                         Case{DType::kTQ1_0, "TQ1_0"},
                                         Case{DType::kTQ2_0, "TQ2_0"}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(QuantTables, SignsEqualTheDataFile) {
  std::ifstream masks(std::string(SHOAL_TEST_DATA) + "/quant_blocks/ksigns.txt");
  for (uint32_t k = 0; k < 128; ++k) {
    uint32_t mask = 0;
    ASSERT_TRUE(masks >> mask);
    EXPECT_EQ(even_sign_mask(k), mask) << k;
  }
}

// FNV-1a over the entries' numbers as bytes. The golden blocks reach most entries; this reaches
// all. Expected values come from the published tables, by another program.
template <class Grid>
uint64_t hash_grid(const Grid& grid) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const auto entry : grid)
    for (size_t i = 0; i < sizeof(entry); ++i)
      hash = (hash ^ (entry >> 8 * i & 255)) * 0x100000001b3;
  return hash;
}

TEST(QuantTables, GridsHaveTheRightHashes) {
  EXPECT_EQ(hash_grid(kIq1Grid), 0x6703ed863501ae2eu);
  EXPECT_EQ(hash_grid(kIq2XxsGrid), 0xbb4ee025b5ac6e8eu);
  EXPECT_EQ(hash_grid(kIq2XsGrid), 0xc9b1ee61e79909bdu);
  EXPECT_EQ(hash_grid(kIq2SGrid), 0x123edd38a3b62b90u);
  EXPECT_EQ(hash_grid(kIq3XxsGrid), 0xdfa5dc83d6a155d5u);
  EXPECT_EQ(hash_grid(kIq3SGrid), 0xfa37020c25b44829u);
}

TEST(QuantTables, PlanesAreTheGridTurned) {
  for (size_t k = 0; k < kIq3XxsGrid.size(); ++k)
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(kIq3XxsPlanes.number[i][k], kIq3XxsGrid[k] >> 8 * i & 255) << k;
}

TEST(QuantTables, SmallExponentsAreSubnormalHalves) {
  EXPECT_EQ(half_of_e8m0(0), 0x1p-128f);
  EXPECT_EQ(half_of_e8m0(1), 0x1p-127f);
  EXPECT_EQ(half_of_e8m0(2), 0x1p-126f);
  EXPECT_EQ(half_of_e8m0(128), 1.0f);
  EXPECT_EQ(half_of_e8m0(255), 0x1p127f);
}

// The golden blocks hold scale codes 0x28..0x4f only. Nominal values of the format, halved:
// smallest 2^-9, smallest normal 2^-6, largest 448.
TEST(QuantTables, Ue4m3CodesOutsideTheGoldenBlocks) {
  EXPECT_EQ(half_of_ue4m3(0x00), 0.0f);
  EXPECT_FALSE(std::signbit(half_of_ue4m3(0x00)));
  EXPECT_EQ(half_of_ue4m3(0x01), 0x1p-10f);
  EXPECT_EQ(half_of_ue4m3(0x07), 7 * 0x1p-10f);
  EXPECT_EQ(half_of_ue4m3(0x08), 0x1p-7f);
  EXPECT_EQ(half_of_ue4m3(0x38), 0.5f);
  EXPECT_EQ(half_of_ue4m3(0x7e), 224.0f);
  EXPECT_EQ(half_of_ue4m3(0x7f), 0.0f);
  EXPECT_EQ(half_of_ue4m3(0xff), 240.0f);
}

// By hand: scale 0 with code 9 (minus one half, doubled to -1) is minus zero, code 8 is plus zero.
TEST(QuantBlocks, ZeroNvfp4ScaleKeepsSigns) {
  std::vector<std::byte> block(36);
  block[4] = std::byte{0x89};
  std::vector<float> values(64);
  decode_row(DType::kNVFP4, block.data(), 64, values.data());
  EXPECT_EQ(std::bit_cast<uint32_t>(values[0]), 0x80000000u);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[8]), 0u);
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
