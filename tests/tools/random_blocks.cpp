#include "tests/tools/random_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string_view>

namespace shoal::tools {
namespace {

// SplitMix64's finisher (Steele, Lea, Flood, OOPSLA 2014).
uint64_t hash(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

uint64_t key_of(const LaidTensor& tensor, uint64_t seed) {
  uint64_t key = hash(seed);
  for (const char c : tensor.name) key = hash(key ^ static_cast<unsigned char>(c));
  return key;
}

// A positive number below 1 as f16 bits.
uint16_t half_bits(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // 0.5 <= fraction < 1
  constexpr int kSmallest = -13;                         // of a normal f16, in frexp's counting
  if (exponent < kSmallest) return static_cast<uint16_t>(std::lround(value * 0x1p24));
  return static_cast<uint16_t>(((exponent + 14) << 10) + std::lround((2 * fraction - 1) * 1024));
}

// Where a block keeps its scales, and which make its weights near 0.02.
struct BlockScale {
  int byte = 0;       // of the scale; -1: none
  uint16_t half = 0;  // its bits
  int min_byte = -1;  // of the scale of the minimums
  uint16_t min_half = 0;
  int exponent = -1;  // instead of the halves: one byte at `byte`
};

BlockScale scale_of(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:  // codes of -128..127
      return {.byte = 0, .half = half_bits(2.5e-4)};
    case DType::kQ4_K:  // codes of 0..15 under inner scales of 0..63; minimums take the mean off
      return {.byte = 0, .half = half_bits(1e-4), .min_byte = 2, .min_half = half_bits(7.5e-4)};
    case DType::kQ5_K:  // 0..31 likewise
      return {.byte = 0, .half = half_bits(5e-5), .min_byte = 2, .min_half = half_bits(7.75e-4)};
    case DType::kQ6_K:  // -32..31 under inner scales of -128..127
      return {.byte = 208, .half = half_bits(1.5e-5)};
    case DType::kIQ2_XXS:  // magnitudes of 8..43 under inner scales of 0.5..15.5, divided by 4
    case DType::kIQ2_S:
      return {.byte = 0, .half = half_bits(4.5e-4)};
    case DType::kIQ3_XXS:  // 4..62 under 0.5..15.5, divided by 2
      return {.byte = 0, .half = half_bits(1.6e-4)};
    case DType::kIQ4_XS:  // -127..113 under inner scales of -32..31
      return {.byte = 0, .half = half_bits(1.5e-5)};
    case DType::kMXFP4:  // 0..6 times 2^(exponent - 127)
      return {.byte = 0, .exponent = 119};
    default:
      throw std::invalid_argument(
          fmt::format("no random weights in blocks of {}", dtype_name(dtype)));
  }
}

void put_scale(const BlockScale& scale, std::byte* block) {
  if (scale.exponent >= 0) {
    block[scale.byte] = static_cast<std::byte>(scale.exponent);
    return;
  }
  std::memcpy(block + scale.byte, &scale.half, 2);
  if (scale.min_byte >= 0) std::memcpy(block + scale.min_byte, &scale.min_half, 2);
}

void fill_words(uint64_t key, uint64_t first_word, std::span<std::byte> out) {
  for (size_t at = 0; at < out.size(); at += 8) {
    const uint64_t word = hash(key + first_word++);
    std::memcpy(out.data() + at, &word, std::min<size_t>(8, out.size() - at));
  }
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  for (const std::string_view ending : endings)
    if (name.ends_with(ending)) return true;
  return false;
}

// What a number of the file means decides its range: [-1, 1) from the hash, then this.
float shape_float(std::string_view name, float uniform) {
  if (ends_with_any(name, {"norm.weight"})) return 1.0f;
  if (name.ends_with("ssm_a")) return -std::exp(uniform * 1.5f - 1.0f);
  if (name.ends_with("ssm_dt.bias")) return uniform;
  if (name.ends_with("ssm_conv1d.weight")) return uniform * 0.8f;
  return uniform * 0.035f;
}

void fill_floats(const LaidTensor& tensor,
                 uint64_t key,
                 uint64_t offset,
                 std::span<std::byte> out) {
  const size_t size = tensor.dtype == DType::kF32 ? 4 : 2;
  for (size_t at = 0; at < out.size(); at += size) {
    const uint64_t bits = hash(key + (offset + at) / size);
    const float value = shape_float(tensor.name, static_cast<float>(bits >> 40) * 0x1p-23f - 1.0f);
    uint32_t word;
    std::memcpy(&word, &value, 4);
    if (size == 2) word >>= 16;
    std::memcpy(out.data() + at, &word, size);
  }
}

}  // namespace

void fill_random(const LaidTensor& tensor,
                 uint64_t seed,
                 uint64_t offset,
                 std::span<std::byte> out) {
  const uint64_t key = key_of(tensor, seed);
  if (!is_quantized(tensor.dtype)) {
    fill_floats(tensor, key, offset, out);
    return;
  }
  fill_words(key, offset / 8, out);
  const BlockScale scale = scale_of(tensor.dtype);
  const auto block = static_cast<size_t>(dtype_traits(tensor.dtype).block_bytes);
  for (size_t at = 0; at < out.size(); at += block) put_scale(scale, out.data() + at);
}

uint64_t piece_bytes(const LaidTensor& tensor, uint64_t wanted) {
  const auto unit =
      std::lcm(uint64_t{8}, static_cast<uint64_t>(dtype_traits(tensor.dtype).block_bytes));
  return std::max(unit, wanted / unit * unit);
}

}  // namespace shoal::tools
