#include "loader/format/block_check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace shoal::loader {
namespace {

constexpr uint16_t kHalfNan = 0x7e00, kHalfInfinite = 0xfc00;

// Where the scales of a block lie, from the format's description.
struct Place {
  DType dtype;
  int block_bytes;
  std::vector<int> halves;
};
const std::vector<Place> kPlaces = {
    {DType::kF16, 2, {0}},        {DType::kQ4_0, 18, {0}},    {DType::kQ4_1, 20, {0, 2}},
    {DType::kQ5_0, 22, {0}},      {DType::kQ5_1, 24, {0, 2}}, {DType::kQ8_0, 34, {0}},
    {DType::kQ2_K, 84, {80, 82}}, {DType::kQ3_K, 110, {108}}, {DType::kQ4_K, 144, {0, 2}},
    {DType::kQ5_K, 176, {0, 2}},  {DType::kQ6_K, 210, {208}}, {DType::kIQ2_XXS, 66, {0}},
    {DType::kIQ2_XS, 74, {0}},    {DType::kIQ2_S, 82, {0}},   {DType::kIQ3_XXS, 98, {0}},
    {DType::kIQ3_S, 110, {0}},    {DType::kIQ1_S, 50, {0}},   {DType::kIQ4_NL, 18, {0}},
    {DType::kIQ4_XS, 136, {0}},   {DType::kTQ1_0, 54, {52}},  {DType::kTQ2_0, 66, {64}},
};

// Nibbles and indices of any value are fine; 0x55 is no NaN where it is a half's upper byte.
std::vector<std::byte> blocks(int count, int bytes) {
  return std::vector<std::byte>(static_cast<size_t>(count) * static_cast<size_t>(bytes),
                                std::byte{0x55});
}

template <class T>
void put(std::vector<std::byte>& bytes, size_t place, T value) {
  std::memcpy(bytes.data() + place, &value, sizeof value);
}

TEST(BlockCheck, FindsEachTypesScales) {
  for (const Place& place : kPlaces) {
    const std::string name(dtype_name(place.dtype));
    EXPECT_FALSE(find_bad_block(place.dtype, blocks(5, place.block_bytes))) << name;
    for (const int offset : place.halves)
      for (const uint16_t value : {kHalfNan, kHalfInfinite}) {
        auto bytes = blocks(5, place.block_bytes);
        put(bytes, static_cast<size_t>(3 * place.block_bytes + offset), value);
        const auto bad = find_bad_block(place.dtype, bytes);
        ASSERT_TRUE(bad) << name << " at " << offset;
        EXPECT_EQ(bad->index, 3) << name;
        EXPECT_EQ(bad->is_nan, value == kHalfNan) << name;
      }
  }
}

TEST(BlockCheck, FloatsAndExponents) {
  auto bytes = blocks(6, 4);
  EXPECT_FALSE(find_bad_block(DType::kF32, bytes));
  put(bytes, 8, uint32_t{0x7fc00000});
  EXPECT_EQ(find_bad_block(DType::kF32, bytes)->index, 2);
  EXPECT_EQ(find_bad_block(DType::kBF16, bytes)->index, 5);
  auto exponents = blocks(4, 17);
  put(exponents, 17, uint8_t{0xff});
  EXPECT_EQ(find_bad_block(DType::kMXFP4, exponents)->index, 1);
  // The half of an iq1_m block is spread over the top four bits of four words.
  auto spread = blocks(3, 56);
  const uint16_t nan = kHalfNan;
  for (size_t i = 0; i < 4; ++i)
    put(spread, 2 * 56 + 48 + 2 * i, static_cast<uint16_t>((nan >> (4 * i) & 0xf) << 12));
  EXPECT_EQ(find_bad_block(DType::kIQ1_M, spread)->index, 2);
  EXPECT_FALSE(find_bad_block(DType::kI32, std::vector<std::byte>(16, std::byte{0xff})));
  EXPECT_FALSE(find_bad_block(DType::kNVFP4, std::vector<std::byte>(72, std::byte{0xff})));
}

TEST(BlockCheck, PiecesCutAnywhere) {
  auto bytes = blocks(10, 34);
  put(bytes, 7 * 34, kHalfNan);
  for (const size_t step : {1U, 5U, 34U, 35U, 100U, 340U}) {
    TensorCheck check(DType::kQ8_0);
    for (size_t at = 0; at < bytes.size(); at += step)
      check.feed(std::span(bytes).subspan(at, std::min(step, bytes.size() - at)));
    ASSERT_TRUE(check.bad_block()) << step;
    EXPECT_EQ(check.bad_block()->index, 7) << step;
    EXPECT_FALSE(check.all_zero());
  }
  TensorCheck zeros(DType::kQ8_0);
  zeros.feed(std::vector<std::byte>(340));
  EXPECT_TRUE(zeros.all_zero());
  EXPECT_FALSE(zeros.bad_block());
}

}  // namespace
}  // namespace shoal::loader
