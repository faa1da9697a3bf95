// Products: the reference against plain double arithmetic on decoded values, every other backend
// against the reference to the bit.
#include "kernels/ops/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/quant/decode_row.h"
#include "kernels/quant/integer_row.h"
#include "tests/unit/kernels/product_data.h"

namespace shoal::kernels {
namespace {

const std::vector<DType> kFloatTypes = {DType::kF32, DType::kF16, DType::kBF16};
const std::vector<DType> kBlockTypes = {
    DType::kQ4_0,    DType::kQ4_1,   DType::kQ5_0,  DType::kQ5_1,    DType::kQ8_0,  DType::kQ2_K,
    DType::kQ3_K,    DType::kQ4_K,   DType::kQ5_K,  DType::kQ6_K,    DType::kIQ1_S, DType::kIQ1_M,
    DType::kIQ2_XXS, DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S, DType::kIQ4_NL,
    DType::kIQ4_XS,  DType::kMXFP4,  DType::kNVFP4, DType::kTQ1_0,   DType::kTQ2_0};

std::vector<ActivationFormat> formats_of(DType dtype) {
  if (!is_quantized(dtype)) return {ActivationFormat::kF32};
  return {ActivationFormat::kInt8, ActivationFormat::kInt16};
}

std::vector<float> multiply(Kernel<MatmulParams> matmul,
                            const WeightView& weight,
                            const ActivationRows& input,
                            ThreadPool& pool) {
  std::vector<float> output(static_cast<size_t>(weight.rows * input.rows), NAN);
  matmul({.weight = weight,
          .input = input,
          .output = view_f32(output.data(), input.rows, weight.rows)},
         Exec{.pool = &pool});
  return output;
}

class Matmul : public testing::TestWithParam<DType> {};
class BlockMatmul : public Matmul {};

// The row arithmetic rounds each term at most three times (scale product, fma, and the fma of the
// minimum) on partial sums bounded by the sum of magnitudes, and the tree adds three roundings:
// (terms a lane + 3) * 2^-24 of that sum, twice over for the two products of a term.
TEST_P(Matmul, ReferenceIsTheDotOfDecodedValues) {
  const DType dtype = GetParam();
  std::mt19937 random(7);
  const int64_t cols = 512, rows = 9;
  const WeightMatrix weight(dtype, rows, cols, random);
  for (const ActivationFormat format : formats_of(dtype)) {
    const Activations x(random_floats(3 * cols, random), cols, format);
    const ActivationRows input = x.rows();
    ThreadPool pool(1);
    const std::vector<float> output = multiply(reference::matmul, weight.view(), input, pool);
    std::vector<float> decoded(cols);
    for (int64_t r = 0; r < rows; ++r) {
      decode_row(dtype, weight.view().row(r), cols, decoded.data());
      for (int64_t n = 0; n < input.rows; ++n) {
        double expected = 0, magnitude = 0;
        for (int64_t k = 0; k < cols; ++k) {
          const int64_t at = n * cols + k;
          double value = 0;
          if (format == ActivationFormat::kF32)
            value = static_cast<const float*>(input.values)[at];
          else if (format == ActivationFormat::kInt16)
            value = static_cast<const int16_t*>(input.values)[at] *
                    static_cast<double>(input.scales[at / 32]);
          else
            value = static_cast<const int8_t*>(input.values)[at] *
                    static_cast<double>(input.scales[at / 32]);
          expected += decoded[k] * value;
          magnitude += std::fabs(decoded[k] * value);
        }
        // Minima make both parts of a value larger than the value itself.
        const double parts = is_quantized(dtype) && integer_form(dtype).min_group != 0 ? 32 : 1;
        const double tolerance = 2 * parts * (cols / 8 + 3) * 0x1p-24 * magnitude;
        EXPECT_NEAR(output[n * rows + r], expected, tolerance) << dtype_name(dtype) << " row " << r;
      }
    }
  }
}

void expect_equals_reference(DType dtype, Kernel<MatmulParams> matmul) {
  std::mt19937 random(11);
  ThreadPool one(1), two(2);
  for (const int64_t cols : {32, 96, 256, 512, 544, 576, 2048}) {
    if (cols % dtype_traits(dtype).block_elements != 0) continue;
    for (const int64_t rows : {1, 7, 8, 131}) {
      const WeightMatrix weight(dtype, rows, cols, random);
      for (const ActivationFormat format : formats_of(dtype)) {
        const int64_t most_tokens = cols > 512 ? 17 : 131;
        const Activations all(random_floats(most_tokens * cols, random), cols, format);
        const std::vector<float> expected =
            multiply(reference::matmul, weight.view(), all.rows(), one);
        for (const int64_t tokens : {1, 2, 3, 4, 5, 17, 131}) {
          if (tokens > most_tokens) continue;
          ActivationRows input = all.rows();
          input.rows = tokens;
          const std::vector<float> head(expected.begin(), expected.begin() + tokens * rows);
          for (ThreadPool* pool : {&one, &two})
            EXPECT_TRUE(same_bits(multiply(matmul, weight.view(), input, *pool), head))
                << dtype_name(dtype) << " " << rows << " x " << cols << ", " << tokens
                << " tokens, " << pool->size() << " threads";
        }
      }
    }
  }
}

TEST_P(Matmul, Avx2EqualsReference) {
  SHOAL_SKIP_WITHOUT_AVX2();
  expect_equals_reference(GetParam(), cpu::matmul);
}

TEST_P(Matmul, Avx512EqualsReference) {
  SHOAL_SKIP_WITHOUT_AVX512();
  expect_equals_reference(GetParam(), cpu::matmul_avx512);
}

// Wherever the threshold between them lies, the ways of one instruction set agree.
void expect_same_rows(DType dtype, cpu::MultiplyRows first, cpu::MultiplyRows second) {
  std::mt19937 random(13);
  const int64_t cols = 768, rows = 21;
  const WeightMatrix weight(dtype, rows, cols, random);
  const WeightView view = weight.view();
  for (const ActivationFormat format : formats_of(dtype))
    for (const int64_t tokens : {1, 2, 3, 4, 7, 9, 20}) {
      const Activations x(random_floats(tokens * cols, random), cols, format);
      std::vector<float> by_first(tokens * rows), by_second(tokens * rows);
      cpu::RowProduct product = {.weight = &view,
                                 .begin = 0,
                                 .end = rows,
                                 .input = x.rows(),
                                 .output = by_first.data(),
                                 .output_stride = rows};
      first(product);
      product.output = by_second.data();
      second(product);
      EXPECT_TRUE(same_bits(by_first, by_second))
          << dtype_name(dtype) << " " << tokens << " tokens";
    }
}

TEST_P(BlockMatmul, Avx2TilesEqualRowDots) {
  SHOAL_SKIP_WITHOUT_AVX2();
  expect_same_rows(GetParam(), cpu::dot_rows_avx2, cpu::multiply_row_tiles_avx2);
}

TEST_P(BlockMatmul, Avx512TilesEqualRowDots) {
  SHOAL_SKIP_WITHOUT_AVX512();
  expect_same_rows(GetParam(), cpu::dot_rows_avx512, cpu::multiply_row_tiles_avx512);
}

std::string type_name(const testing::TestParamInfo<DType>& info) {
  return std::string(dtype_name(info.param));
}
INSTANTIATE_TEST_SUITE_P(Floats, Matmul, testing::ValuesIn(kFloatTypes), type_name);
INSTANTIATE_TEST_SUITE_P(Blocks, Matmul, testing::ValuesIn(kBlockTypes), type_name);
INSTANTIATE_TEST_SUITE_P(Blocks, BlockMatmul, testing::ValuesIn(kBlockTypes), type_name);

TEST(Matmul, FloatRowsMayEndInsideTheLanes) {
  SHOAL_SKIP_WITHOUT_AVX2();
  std::mt19937 random(17);
  ThreadPool pool(1);
  for (const DType dtype : kFloatTypes)
    for (const int64_t cols : {1, 7, 9, 30}) {
      const WeightMatrix weight(dtype, 6, cols, random);
      const Activations x(random_floats(3 * cols, random), cols, ActivationFormat::kF32);
      EXPECT_TRUE(same_bits(multiply(cpu::matmul, weight.view(), x.rows(), pool),
                            multiply(reference::matmul, weight.view(), x.rows(), pool)));
    }
}

// One rounding behind the sum of the row arithmetic, whatever the way and the type.
TEST(Matmul, OutputsAreMultipliedByTheWeightsScale) {
  std::mt19937 random(29);
  ThreadPool pool(2);
  for (const DType dtype : {DType::kF32, DType::kNVFP4, DType::kQ2_K, DType::kQ8_0})
    for (const int64_t tokens : {1, 3, 70}) {
      const WeightMatrix weight(dtype, 37, 512, random);
      WeightView scaled = weight.view();
      scaled.scale = 0.7f;
      const Activations x(random_floats(tokens * 512, random), 512, formats_of(dtype).back());
      std::vector<float> expected = multiply(reference::matmul, weight.view(), x.rows(), pool);
      for (float& value : expected) value *= 0.7f;
      EXPECT_TRUE(same_bits(multiply(reference::matmul, scaled, x.rows(), pool), expected));
      if (cpu::has_avx2()) {
        EXPECT_TRUE(same_bits(multiply(cpu::matmul, scaled, x.rows(), pool), expected));
      }
      if (cpu::has_avx512()) {
        EXPECT_TRUE(same_bits(multiply(cpu::matmul_avx512, scaled, x.rows(), pool), expected));
      }
    }
}

TEST(Matmul, OnlyOneBlockTypeIsDecodedByScalarCode) {
  SHOAL_SKIP_WITHOUT_AVX2();
  for (const DType dtype : kBlockTypes)
    EXPECT_EQ(cpu::unpacks_with_vectors(dtype), dtype != DType::kTQ1_0) << dtype_name(dtype);
  EXPECT_TRUE(cpu::unpacks_with_vectors(DType::kBF16));
}

TEST(Matmul, FormatsGoWithTypes) {
  EXPECT_TRUE(accepts(DType::kBF16, ActivationFormat::kF32));
  EXPECT_FALSE(accepts(DType::kBF16, ActivationFormat::kInt8));
  EXPECT_TRUE(accepts(DType::kQ6_K, ActivationFormat::kInt16));
  EXPECT_FALSE(accepts(DType::kQ6_K, ActivationFormat::kF32));
  EXPECT_FALSE(accepts(DType::kI32, ActivationFormat::kF32));
}

TEST(EmbedRows, BackendsDecodeTheNamedRows) {
  std::mt19937 random(19);
  std::vector<DType> types = kBlockTypes;
  types.insert(types.end(), kFloatTypes.begin(), kFloatTypes.end());
  for (const DType dtype : types) {
    const WeightMatrix table(dtype, 50, 256, random);
    std::vector<int32_t> ids = {49, 0, 7, 7, 31};
    std::vector<float> expected(ids.size() * 256), by_reference(expected), by_cpu(expected);
    for (size_t n = 0; n < ids.size(); ++n)
      decode_row(dtype, table.view().row(ids[n]), 256, expected.data() + 256 * n);
    ThreadPool pool(2);
    EmbedRowsParams params = {.table = table.view(),
                              .token_ids = view_i32(ids.data(), 5),
                              .output = view_f32(by_reference.data(), 5, 256)};
    reference::embed_rows(params, Exec{.pool = &pool});
    params.output = view_f32(by_cpu.data(), 5, 256);
    cpu::embed_rows(params, Exec{.pool = &pool});
    EXPECT_TRUE(same_bits(by_reference, expected)) << dtype_name(dtype);
    EXPECT_TRUE(same_bits(by_cpu, expected)) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace shoal::kernels
