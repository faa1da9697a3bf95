// Codecs of the types that need no second level of integer scales or table of entries: blocks of 32
// with one scale, NVFP4 and TQ2_0. What a codec is: codecs_avx2.h.
#pragma once
#include "kernels/cpu/sign_bits_avx2.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/fp4.h"

namespace shoal::kernels::cpu {
namespace {

// Nibbles minus 8, or unsigned with an offset that is added (a minimum with its sign turned).
template <bool kOffset>
struct CodecFourBit {
  static constexpr int block_bytes() { return kOffset ? 20 : 18; }
  static constexpr int bytes() { return 8 * block_bytes(); }
  static constexpr bool kSplit = false, kUnsigned = kOffset;
  static constexpr int kMinGroup = kOffset ? 32 : 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i eight = _mm256_set1_epi8(8);
    for (int b = 0; b < 8; ++b) {
      const __m256i q = split_nibbles(load_16(at + block_bytes() * b + (kOffset ? 4 : 2)));
      out.q[b] = kOffset ? q : _mm256_sub_epi8(q, eight);
    }
    out.scale[0] = gather_f16(at, block_bytes());
    if constexpr (kOffset) out.min[0] = turn_sign(gather_f16(at + 2, block_bytes()));
  }

  static __m256 turn_sign(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }
};
using CodecQ4_0 = CodecFourBit<false>;
using CodecQ4_1 = CodecFourBit<true>;

// The same with a word of fifth bits before the nibbles; minus 16.
template <bool kOffset>
struct CodecFiveBit {
  static constexpr int block_bytes() { return kOffset ? 24 : 22; }
  static constexpr int bytes() { return 8 * block_bytes(); }
  static constexpr bool kSplit = false, kUnsigned = kOffset;
  static constexpr int kMinGroup = kOffset ? 32 : 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i sixteen = _mm256_set1_epi8(16);
    for (int b = 0; b < 8; ++b) {
      const std::byte* const fifths = at + block_bytes() * b + (kOffset ? 4 : 2);
      const __m256i has_fifth = expand_bits(load_bytes<uint32_t>(fifths));
      const __m256i nibbles = split_nibbles(load_16(fifths + 4));
      // Signed: 16 is taken away where the fifth bit is missing.
      out.q[b] = kOffset ? _mm256_or_si256(nibbles, _mm256_and_si256(has_fifth, sixteen))
                         : _mm256_sub_epi8(nibbles, _mm256_andnot_si256(has_fifth, sixteen));
    }
    out.scale[0] = gather_f16(at, block_bytes());
    if constexpr (kOffset) out.min[0] = CodecQ4_1::turn_sign(gather_f16(at + 2, block_bytes()));
  }
};
using CodecQ5_0 = CodecFiveBit<false>;
using CodecQ5_1 = CodecFiveBit<true>;

struct CodecIq4Nl {
  static constexpr int bytes() { return 144; }
  static constexpr int block_bytes() { return 18; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Levels.data())));
    for (int b = 0; b < 8; ++b)
      out.q[b] = _mm256_shuffle_epi8(table, split_nibbles(load_16(at + 18 * b + 2)));
    out.scale[0] = gather_f16(at, 18);
  }
};

// Two 32-blocks share 36 bytes; a row may end behind any such pair.
struct CodecNvfp4 {
  static constexpr int bytes() { return 144; }
  static constexpr int block_bytes() { return 18; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kDoubledFp4.data())));
    alignas(32) float scale[2][8];
    for (int b = 0; b < 8; ++b) {
      const std::byte* const block = at + 36 * (b / 2);
      // Low nibbles of both groups come first; a group's high ones belong right behind its low
      // ones.
      const __m256i nibbles = split_nibbles(load_16(block + 4 + 16 * (b % 2)));
      out.q[b] = _mm256_shuffle_epi8(table, _mm256_permute4x64_epi64(nibbles, 0xd8));
      for (int g = 0; g < 2; ++g)
        scale[g][b] = kHalfOfUe4m3[std::to_integer<size_t>(block[2 * (b % 2) + g])];
    }
    for (int g = 0; g < 2; ++g) out.scale[g] = _mm256_load_ps(scale[g]);
  }
};

struct CodecTq2_0 {
  static constexpr int bytes() { return 66; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i three = _mm256_set1_epi8(3), one = _mm256_set1_epi8(1);
    for (int half = 0; half < 2; ++half) {
      __m256i pairs = load_32(at + 32 * half);
      for (int b = 0; b < 4; ++b) {
        out.q[4 * half + b] = _mm256_sub_epi8(_mm256_and_si256(pairs, three), one);
        pairs = _mm256_srli_epi16(pairs, 2);
      }
    }
    out.scale[0] = broadcast_f16(at + 64);
  }
};

}  // namespace
}  // namespace shoal::kernels::cpu
