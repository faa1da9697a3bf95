// The integer products with AVX-512 VNNI, and what AVX-512 VBMI does for IQ3_XXS. Vectors stay 256
// bits wide where they hold one number a lane; only table look-ups are wider.
#pragma once
#include "kernels/cpu/block_dot_avx2.h"
#include "kernels/cpu/thread_scratch.h"

namespace shoal::kernels::cpu {
namespace {

// Grid entries are found for a whole superblock at once: number k of the 64 entries is a look-up
// in a table of 256 bytes, four registers.
struct CodecIq3XxsVbmi {
  static constexpr int bytes() { return 98; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i words = load_32(at + 66);
    alignas(32) uint32_t minus[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(minus), sign_bytes(words));
    magnitudes(_mm512_loadu_si512(at + 2), out.q);
    for (int b = 0; b < 8; ++b)
      out.q[b] = _mm256_mask_sub_epi8(out.q[b], minus[b], _mm256_setzero_si256(), out.q[b]);
    out.scale[0] = CodecIq3Xxs::scales(at, words);
  }

 private:
  static __m512i look_up(const std::array<uint8_t, 256>& plane,
                         __m512i indices,
                         __mmask64 upper_half) {
    const uint8_t* const table = plane.data();
    const __m512i low =
        _mm512_permutex2var_epi8(_mm512_load_si512(table), indices, _mm512_load_si512(table + 64));
    const __m512i high = _mm512_permutex2var_epi8(
        _mm512_load_si512(table + 128), indices, _mm512_load_si512(table + 192));
    return _mm512_mask_blend_epi8(upper_half, low, high);
  }

  static void magnitudes(__m512i indices, __m256i q[8]) {
    const __mmask64 upper_half = _mm512_movepi8_mask(indices);
    __m512i n[4];
    for (int k = 0; k < 4; ++k) n[k] = look_up(kIq3XxsPlanes.number[k], indices, upper_half);
    // Interleaving works inside 128-bit quarters; quarter i has the entries of blocks 2 i, 2 i + 1.
    const __m512i low01 = _mm512_unpacklo_epi8(n[0], n[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(n[2], n[3]);
    const __m512i high01 = _mm512_unpackhi_epi8(n[0], n[1]);
    const __m512i high23 = _mm512_unpackhi_epi8(n[2], n[3]);
    const __m512i first = _mm512_unpacklo_epi16(low01, low23);
    const __m512i second = _mm512_unpackhi_epi16(low01, low23);
    const __m512i third = _mm512_unpacklo_epi16(high01, high23);
    const __m512i fourth = _mm512_unpackhi_epi16(high01, high23);
    const __m512i quarters01 = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i quarters23 = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const auto store = [&](int block, __m512i two) {
      q[block] = _mm512_castsi512_si256(two);
      q[block + 2] = _mm512_extracti64x4_epi64(two, 1);
    };
    store(0, _mm512_permutex2var_epi64(first, quarters01, second));
    store(4, _mm512_permutex2var_epi64(first, quarters23, second));
    store(1, _mm512_permutex2var_epi64(third, quarters01, fourth));
    store(5, _mm512_permutex2var_epi64(third, quarters23, fourth));
  }
};

struct Avx512 {
  using CodecIq3Xxs = CodecIq3XxsVbmi;

  // Signed quants become unsigned by adding 128; the sum is then too large by 128 times the sum of
  // the activations, which corrections() has ready.
  template <class Codec>
  static __m256i block_products(__m256i q, const int8_t* x) {
    const __m256i activations = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    const __m256i weights = Codec::kUnsigned ? q : _mm256_xor_si256(q, _mm256_set1_epi8(-128));
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), weights, activations);
  }

  template <class Codec>
  static __m256i block_products(__m256i q, const int16_t* x) {
    const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q));
    const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(q, 1));
    const auto* activations = reinterpret_cast<const __m256i*>(x);
    const __m256i first = _mm256_madd_epi16(low, _mm256_loadu_si256(activations));
    if constexpr (!Codec::kSplit)
      return _mm256_dpwssd_epi32(first, high, _mm256_loadu_si256(activations + 1));
    const __m256i second = _mm256_madd_epi16(high, _mm256_loadu_si256(activations + 1));
    return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20),
                            _mm256_permute2x128_si256(first, second, 0x31));
  }

  template <class Codec, class X>
  static constexpr bool kHasCorrections = !Codec::kUnsigned && sizeof(X) == 1;

  template <class Codec>
  static const int32_t* corrections(const ActivationRows& input) {
    if (Codec::kUnsigned || input.format != ActivationFormat::kInt8) return nullptr;
    return sum_activations(input, Codec::kSplit);
  }

  // 128 * sum of activations: [row][superblock][8 blocks], or if `split`
  // [row][superblock][8 first halves of blocks, 8 second halves]. In this thread's scratch.
  static const int32_t* sum_activations(const ActivationRows& input, bool split) {
    const int64_t num_superblocks = (input.cols + kSuperblockCols - 1) / kSuperblockCols;
    const int64_t numbers = split ? 16 : 8;
    const auto count = static_cast<size_t>(input.rows * num_superblocks * numbers);
    auto* out = reinterpret_cast<int32_t*>(
        thread_scratch(ScratchSlot::kActivationTile, count * sizeof(int32_t)));
    const int32_t* const begin = out;
    const auto* values = static_cast<const int8_t*>(input.values);
    for (int64_t row = 0; row < input.rows; ++row, values += input.cols)
      for (int64_t s = 0; s < num_superblocks; ++s, out += numbers)
        store_sums(activation_sums(values + s * kSuperblockCols, input.cols - s * kSuperblockCols),
                   split,
                   out);
    return begin;
  }

 private:
  static BlockSums activation_sums(const int8_t* x, int64_t cols_left) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i products[8];
    for (int b = 0; b < 8; ++b) {
      const auto* at = reinterpret_cast<const __m256i*>(x + 32 * b);
      const __m256i values = 32 * b < cols_left ? _mm256_loadu_si256(at) : zero;
      products[b] = _mm256_dpbusd_epi32(zero, _mm256_set1_epi8(-128), values);
    }
    return sum_halves(products);
  }

  static void store_sums(const BlockSums& sums, bool split, int32_t* out) {
    auto* const at = reinterpret_cast<__m256i*>(out);
    _mm256_store_si256(at, split ? sums.low : _mm256_add_epi32(sums.low, sums.high));
    if (split) _mm256_store_si256(at + 1, sums.high);
  }
};

}  // namespace
}  // namespace shoal::kernels::cpu
