#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cpu/cpu_ops.h"
#include "tests/unit/kernels/product_data.h"

namespace shoal::kernels {
namespace {

struct Quantized {
  std::vector<std::byte> values;
  std::vector<float> scales, sums;
};

Quantized quantize(Kernel<QuantizeRowsParams> kernel,
                   std::vector<float> rows,
                   ActivationFormat format,
                   int num_threads) {
  Quantized out;
  out.values.resize(rows.size() * (format == ActivationFormat::kInt8 ? 1 : 2));
  out.scales.resize(rows.size() / 32);
  out.sums.resize(rows.size() / 32);
  ThreadPool pool(num_threads);
  kernel({.rows = view_f32(rows.data(), static_cast<int64_t>(rows.size()) / 32, 32),
          .format = format,
          .values = out.values.data(),
          .scales = out.scales.data(),
          .sums = out.sums.data()},
         Exec{.pool = &pool});
  return out;
}

std::vector<float> block_of(std::vector<float> head) {
  head.resize(32, 0.0f);
  return head;
}

TEST(QuantizeRows, LargestMagnitudeBecomesTheLimit) {
  const Quantized out = quantize(reference::quantize_rows,
                                 block_of({-254.0f, 127.0f, 1.0f, 3.0f}),
                                 ActivationFormat::kInt8,
                                 1);
  const auto* values = reinterpret_cast<const int8_t*>(out.values.data());
  EXPECT_EQ(out.scales[0], 2.0f);
  EXPECT_EQ(values[0], -127);
  // Ties to even: 63.5, 0.5 and 1.5.
  EXPECT_EQ(values[1], 64);
  EXPECT_EQ(values[2], 0);
  EXPECT_EQ(values[3], 2);
  EXPECT_EQ(out.sums[0], 2.0f * (-127 + 64 + 2));
}

TEST(QuantizeRows, Int16KeepsFifteenBits) {
  const Quantized out = quantize(
      reference::quantize_rows, block_of({32767.0f, -12345.0f}), ActivationFormat::kInt16, 1);
  const auto* values = reinterpret_cast<const int16_t*>(out.values.data());
  EXPECT_EQ(out.scales[0], 1.0f);
  EXPECT_EQ(values[0], 32767);
  EXPECT_EQ(values[1], -12345);
}

TEST(QuantizeRows, ZeroAndVanishingBlocksAreZero) {
  for (const float tiny : {0.0f, -0.0f, 0x1p-140f}) {
    const Quantized out =
        quantize(reference::quantize_rows, block_of({tiny}), ActivationFormat::kInt16, 1);
    EXPECT_EQ(out.scales[0], 0.0f);
    EXPECT_EQ(out.sums[0], 0.0f);
    for (const std::byte b : out.values) EXPECT_EQ(b, std::byte{0});
  }
}

TEST(QuantizeRows, Avx2EqualsReference) {
  SHOAL_SKIP_WITHOUT_AVX2();
  std::mt19937 random(3);
  std::vector<float> rows = random_floats(32 * 3000, random);
  // Blocks of all sizes, with the odd numbers in the last ones.
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = std::ldexp(rows[i], int(i / 32 % 240) - 150);
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  size_t at = rows.size();
  for (const float odd : {inf, -inf, nan, 0x1p127f, 0x1p-149f, -0.0f}) rows[at -= 32] = odd;
  for (const ActivationFormat format : {ActivationFormat::kInt8, ActivationFormat::kInt16})
    for (const int threads : {1, 2}) {
      const Quantized expected = quantize(reference::quantize_rows, rows, format, 1);
      const Quantized actual = quantize(cpu::quantize_rows, rows, format, threads);
      EXPECT_EQ(actual.values, expected.values);
      for (size_t j = 0; j < expected.scales.size(); ++j) {
        EXPECT_EQ(actual.scales[j], expected.scales[j]) << "block " << j;
        // An infinite scale may make the sum NaN.
        if (std::isnan(expected.sums[j]))
          EXPECT_TRUE(std::isnan(actual.sums[j])) << "block " << j;
        else
          EXPECT_EQ(actual.sums[j], expected.sums[j]) << "block " << j;
      }
    }
}

}  // namespace
}  // namespace shoal::kernels
