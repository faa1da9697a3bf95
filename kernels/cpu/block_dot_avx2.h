// Integer dots of a Superblock with 256 activations, and their step of the row arithmetic.
#pragma once
#include "kernels/cpu/codecs_avx2.h"
#include "kernels/cpu/thread_scratch.h"
#include "kernels/ops/matmul.h"

namespace shoal::kernels::cpu {
namespace {

// Eight vectors of partial sums to one: lane b of `low` is the sum of products[b]'s low half.
struct BlockSums {
  __m256i low, high;
};
inline BlockSums sum_halves(const __m256i products[8]) {
  const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(products[0], products[1]),
                                      _mm256_hadd_epi32(products[2], products[3]));
  const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(products[4], products[5]),
                                      _mm256_hadd_epi32(products[6], products[7]));
  return {_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)};
}

// Activations of one superblock of one row.
template <class X>
struct ActivationPiece {
  const X* values;             // [256]
  const float* scales;         // [8]
  const float* sums;           // [8]
  const int32_t* corrections;  // [8 or 16] what Isa::corrections() made, or null
  const int32_t* group_sums;   // [16] what group_sums() made, or null
};

// The integer products, one way an instruction set.
struct Avx2 {
  using CodecIq3Xxs = cpu::CodecIq3Xxs;

  // Products of one block summed to eight int32: the low four hold the first 16 columns and the
  // high four the rest, for types with two scales a block.
  template <class Codec>
  static __m256i block_products(__m256i q, const int8_t* x) {
    const __m256i activations = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    // Byte products need an unsigned side. |q| <= 128 and |x| <= 127, so no pair of products
    // leaves int16.
    const __m256i pairs = Codec::kUnsigned ? _mm256_maddubs_epi16(q, activations)
                                           : _mm256_maddubs_epi16(_mm256_abs_epi8(q),
                                                                  _mm256_sign_epi8(activations, q));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }

  template <class Codec>
  static __m256i block_products(__m256i q, const int16_t* x) {
    const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q));
    const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(q, 1));
    const auto* activations = reinterpret_cast<const __m256i*>(x);
    const __m256i first = _mm256_madd_epi16(low, _mm256_loadu_si256(activations));
    const __m256i second = _mm256_madd_epi16(high, _mm256_loadu_si256(activations + 1));
    if constexpr (!Codec::kSplit) return _mm256_add_epi32(first, second);
    return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20),
                            _mm256_permute2x128_si256(first, second, 0x31));
  }

  template <class Codec, class X>
  static constexpr bool kHasCorrections = false;

  template <class Codec>
  static const int32_t* corrections(const ActivationRows&) {
    return nullptr;
  }
};

// Ones as quants: their products with activations are the sums of the activations.
struct OnesCodec {
  static constexpr bool kSplit = true, kUnsigned = true;
};

template <class Isa, class Codec, class X>
inline BlockSums superblock_sums(const __m256i q[8], const ActivationPiece<X>& x) {
  __m256i products[8];
  for (int b = 0; b < 8; ++b)
    products[b] = Isa::template block_products<Codec>(q[b], x.values + 32 * b);
  return sum_halves(products);
}

// Sums of activations over 16 columns: [row][superblock][8 first halves of blocks, 8 second
// halves]. In this thread's scratch; whole superblocks only.
template <class Isa, class X>
const int32_t* group_sums(const ActivationRows& input) {
  __m256i ones[8];
  for (__m256i& q : ones) q = _mm256_set1_epi8(1);
  const int64_t num_superblocks = input.rows * input.cols / kSuperblockCols;
  auto* out = reinterpret_cast<__m256i*>(thread_scratch(
      ScratchSlot::kActivationSums, static_cast<size_t>(2 * num_superblocks) * sizeof(__m256i)));
  const int32_t* const begin = reinterpret_cast<const int32_t*>(out);
  const X* values = static_cast<const X*>(input.values);
  for (int64_t s = 0; s < num_superblocks; ++s, values += kSuperblockCols) {
    const ActivationPiece<X> piece = {.values = values};
    const BlockSums sums = superblock_sums<Isa, OnesCodec>(ones, piece);
    _mm256_store_si256(out++, sums.low);
    _mm256_store_si256(out++, sums.high);
  }
  return begin;
}

template <class Isa, class Codec, class X>
inline __m256 add_superblock(const Superblock& weights, const ActivationPiece<X>& x, __m256 lanes) {
  constexpr bool kCorrect = Isa::template kHasCorrections<Codec, X>;
  BlockSums sums = superblock_sums<Isa, Codec>(weights.q, x);
  [[maybe_unused]] const auto* corrections = reinterpret_cast<const __m256i*>(x.corrections);
  const __m256 x_scale = _mm256_loadu_ps(x.scales);
  const __m256 scale = _mm256_mul_ps(weights.scale[0], x_scale);
  if constexpr (Codec::kSplit) {
    if constexpr (kCorrect) {
      sums.low = _mm256_sub_epi32(sums.low, _mm256_loadu_si256(corrections));
      sums.high = _mm256_sub_epi32(sums.high, _mm256_loadu_si256(corrections + 1));
    }
    [[maybe_unused]] const auto* x_sums = reinterpret_cast<const __m256i*>(x.group_sums);
    lanes = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sums.low), lanes);
    if constexpr (Codec::kMinGroup == 16)
      lanes = _mm256_fnmadd_ps(_mm256_mul_ps(weights.min[0], x_scale),
                               _mm256_cvtepi32_ps(_mm256_load_si256(x_sums)),
                               lanes);
    const __m256 second_scale = _mm256_mul_ps(weights.scale[1], x_scale);
    lanes = _mm256_fmadd_ps(second_scale, _mm256_cvtepi32_ps(sums.high), lanes);
    if constexpr (Codec::kMinGroup == 16)
      lanes = _mm256_fnmadd_ps(_mm256_mul_ps(weights.min[1], x_scale),
                               _mm256_cvtepi32_ps(_mm256_load_si256(x_sums + 1)),
                               lanes);
  } else {
    __m256i total = _mm256_add_epi32(sums.low, sums.high);
    if constexpr (kCorrect) total = _mm256_sub_epi32(total, _mm256_loadu_si256(corrections));
    lanes = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(total), lanes);
  }
  if constexpr (Codec::kMinGroup == 32)
    lanes = _mm256_fnmadd_ps(weights.min[0], _mm256_loadu_ps(x.sums), lanes);
  return lanes;
}

// ((l0 + l1) + (l2 + l3)) + ((l4 + l5) + (l6 + l7))
inline float add_lanes(__m256 lanes) {
  const __m256 pairs = _mm256_hadd_ps(lanes, lanes);
  const __m256 fours = _mm256_hadd_ps(pairs, pairs);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
}

// All ones in the lanes below `count`.
inline __m256 first_lanes(int count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), index));
}

}  // namespace
}  // namespace shoal::kernels::cpu
