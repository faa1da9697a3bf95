// Made-up weights and activations for the product tests. Quantised weights are golden blocks of
// tests/data/quant_blocks in random order: real fields, no NaN.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/instruction_set.h"
#include "kernels/ops/matmul.h"
#include "kernels/reference/reference_ops.h"

namespace shoal::kernels {

inline std::string golden_blocks(DType dtype) {
  std::string name(dtype_name(dtype));
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::ifstream in(std::string(SHOAL_TEST_DATA) + "/quant_blocks/" + name + ".blocks",
                   std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Owns the bytes of a matrix, one byte off any alignment.
class WeightMatrix {
 public:
  WeightMatrix(DType dtype, int64_t rows, int64_t cols, std::mt19937& random)
      : dtype_(dtype), rows_(rows), cols_(cols) {
    const int64_t block_bytes = dtype_traits(dtype).block_bytes;
    const int64_t num_blocks = rows * row_bytes(dtype, cols) / block_bytes;
    bytes_.resize(static_cast<size_t>(num_blocks * block_bytes) + 1);
    if (dtype == DType::kF32) {
      std::normal_distribution<float> normal;
      for (int64_t i = 0; i < num_blocks; ++i) {
        const float value = normal(random);
        std::memcpy(bytes_.data() + 1 + 4 * i, &value, 4);
      }
      return;
    }
    const std::string golden = golden_blocks(dtype);
    const auto num_golden = static_cast<int64_t>(golden.size()) / block_bytes;
    EXPECT_GE(num_golden, 16);
    std::uniform_int_distribution<int64_t> pick(0, num_golden - 1);
    for (int64_t i = 0; i < num_blocks; ++i)
      std::memcpy(bytes_.data() + 1 + i * block_bytes,
                  golden.data() + pick(random) * block_bytes,
                  static_cast<size_t>(block_bytes));
  }

  WeightView view() const {
    return {.data = bytes_.data() + 1, .dtype = dtype_, .rows = rows_, .cols = cols_};
  }

 private:
  DType dtype_;
  int64_t rows_, cols_;
  std::vector<std::byte> bytes_;
};

inline std::vector<float> random_floats(int64_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(count));
  for (float& value : out) value = normal(random);
  return out;
}

// Owns rows in one of the activation formats, quantised by the reference.
class Activations {
 public:
  Activations(const std::vector<float>& rows, int64_t cols, ActivationFormat format)
      : format_(format), cols_(cols), floats_(rows) {
    if (format == ActivationFormat::kF32) return;
    values_.resize(rows.size() * (format == ActivationFormat::kInt8 ? 1 : 2));
    scales_.resize(rows.size() / kActivationBlock);
    sums_.resize(scales_.size());
    ThreadPool pool(1);
    reference::quantize_rows({.rows = view_f32(floats_.data(), num_rows(), cols),
                              .format = format,
                              .values = values_.data(),
                              .scales = scales_.data(),
                              .sums = sums_.data()},
                             Exec{.pool = &pool});
  }

  int64_t num_rows() const { return static_cast<int64_t>(floats_.size()) / cols_; }
  const std::vector<float>& floats() const { return floats_; }
  ActivationRows rows() const {
    if (format_ == ActivationFormat::kF32)
      return {.format = format_, .rows = num_rows(), .cols = cols_, .values = floats_.data()};
    return {.format = format_,
            .rows = num_rows(),
            .cols = cols_,
            .values = values_.data(),
            .scales = scales_.data(),
            .sums = sums_.data()};
  }

 private:
  ActivationFormat format_;
  int64_t cols_;
  std::vector<float> floats_;
  std::vector<std::byte> values_;
  std::vector<float> scales_, sums_;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Instruction sets of the cpu backend that some machines lack.
#define SHOAL_SKIP_WITHOUT_AVX2() \
  if (!cpu::has_avx2()) GTEST_SKIP() << "this machine has no AVX2"
#define SHOAL_SKIP_WITHOUT_AVX512() \
  if (!cpu::has_avx512()) GTEST_SKIP() << "this machine has no AVX-512 with VNNI and VBMI"

}  // namespace shoal::kernels
