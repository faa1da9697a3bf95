// Row dots: weights meet a few activation rows straight from their packed blocks. Templates over
// the instruction set (block_dot_avx2.h, block_dot_avx512.h).
#pragma once
#include <algorithm>

#include "kernels/cpu/block_dot_avx2.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/select_codec.h"

namespace shoal::kernels::cpu {
namespace {

// Activation rows that share one unpacking of a superblock; their lanes stay in L1.
constexpr int kMaxTokens = 16;

template <class X>
struct Activations {
  const X* values;
  const float* scales;
  const float* sums;
  int64_t cols;
  const int32_t* corrections;      // as Isa::corrections() made them, or null
  int64_t superblock_corrections;  // how many a superblock, 0 if there are none
  const int32_t* group_sums;       // 16 a superblock, or null

  ActivationPiece<X> piece(int64_t token, int64_t superblock) const {
    const int64_t block = token * (cols / kActivationBlock) + kSuperblockBlocks * superblock;
    const int64_t superblocks = (cols + kSuperblockCols - 1) / kSuperblockCols;
    return {values + kActivationBlock * block,
            scales + block,
            sums + block,
            corrections + (token * superblocks + superblock) * superblock_corrections,
            group_sums == nullptr ? nullptr : group_sums + (token * superblocks + superblock) * 16};
  }

  Activations from(int64_t token) const {
    Activations out = *this;
    const ActivationPiece<X> first = piece(token, 0);
    out.values = first.values;
    out.scales = first.scales;
    out.sums = first.sums;
    out.corrections = first.corrections;
    out.group_sums = first.group_sums;
    return out;
  }
};

// The last blocks of a row that ends inside a superblock, with zeros behind them.
template <class Isa, class Codec, class X>
class Tail {
 public:
  Tail(const Codec& codec, int64_t cols)
      : codec_(codec),
        superblock_(cols / kSuperblockCols),
        num_blocks_(static_cast<int>(cols % kSuperblockCols / kActivationBlock)) {}

  bool empty() const { return codec_.block_bytes() == 0 || num_blocks_ == 0; }

  void unpack(const std::byte* row, Superblock& out) const {
    std::byte padded[kMaxSuperblockBytes] = {};
    std::memcpy(padded,
                row + superblock_ * codec_.bytes(),
                static_cast<size_t>(num_blocks_ * codec_.block_bytes()));
    codec_.unpack(padded, out);
  }

  __m256 add(const Superblock& weights,
             const Activations<X>& x,
             int64_t token,
             __m256 lanes) const {
    const ActivationPiece<X> piece = x.piece(token, superblock_);
    X values[kSuperblockCols] = {};
    float scales[kSuperblockBlocks] = {};
    float sums[kSuperblockBlocks] = {};
    std::copy_n(piece.values, num_blocks_ * kActivationBlock, values);
    std::copy_n(piece.scales, num_blocks_, scales);
    std::copy_n(piece.sums, num_blocks_, sums);
    // Lanes past the end are kept as they are: adding 0 could turn a -0 into +0.
    const __m256 added = add_superblock<Isa, Codec>(
        weights,
        ActivationPiece<X>{values, scales, sums, piece.corrections, piece.group_sums},
        lanes);
    return _mm256_blendv_ps(lanes, added, first_lanes(num_blocks_));
  }

 private:
  const Codec& codec_;
  int64_t superblock_;
  int num_blocks_;
};

template <class Isa, class Codec, class X>
float dot_one(const Codec& codec, const std::byte* row, const Activations<X>& x) {
  const int64_t num_superblocks = x.cols / kSuperblockCols;
  __m256 lanes = _mm256_setzero_ps();
  Superblock weights;
  for (int64_t s = 0; s < num_superblocks; ++s) {
    codec.unpack(row + s * codec.bytes(), weights);
    lanes = add_superblock<Isa, Codec>(weights, x.piece(0, s), lanes);
  }
  if (const Tail<Isa, Codec, X> tail(codec, x.cols); !tail.empty()) {
    tail.unpack(row, weights);
    lanes = tail.add(weights, x, 0, lanes);
  }
  return add_lanes(lanes);
}

template <class Isa, class Codec, class X>
void dot_several(
    const Codec& codec, const std::byte* row, const Activations<X>& x, int num_tokens, float* out) {
  const int64_t num_superblocks = x.cols / kSuperblockCols;
  __m256 lanes[kMaxTokens];
  std::fill_n(lanes, num_tokens, _mm256_setzero_ps());
  Superblock weights;
  for (int64_t s = 0; s < num_superblocks; ++s) {
    codec.unpack(row + s * codec.bytes(), weights);
    for (int t = 0; t < num_tokens; ++t)
      lanes[t] = add_superblock<Isa, Codec>(weights, x.piece(t, s), lanes[t]);
  }
  if (const Tail<Isa, Codec, X> tail(codec, x.cols); !tail.empty()) {
    tail.unpack(row, weights);
    for (int t = 0; t < num_tokens; ++t) lanes[t] = tail.add(weights, x, t, lanes[t]);
  }
  for (int t = 0; t < num_tokens; ++t) out[t] = add_lanes(lanes[t]);
}

template <class Isa, class Codec, class X>
void dot_rows_of(const Codec& codec, const RowProduct& product) {
  const std::byte* const first_row = product.weight->row(product.begin);
  const int64_t stride = product.weight->row_stride();
  const int64_t num_rows = product.end - product.begin;
  Activations<X> all = {.values = static_cast<const X*>(product.input.values),
                        .scales = product.input.scales,
                        .sums = product.input.sums,
                        .cols = product.input.cols,
                        .corrections = Isa::template corrections<Codec>(product.input),
                        .superblock_corrections = !Isa::template kHasCorrections<Codec, X> ? 0
                                                  : Codec::kSplit                          ? 16
                                                                                           : 8,
                        .group_sums = nullptr};
  if constexpr (Codec::kMinGroup == 16) all.group_sums = group_sums<Isa, X>(product.input);
  if (product.input.rows == 1) {
    for (int64_t r = 0; r < num_rows; ++r)
      product.output[r] = dot_one<Isa>(codec, first_row + r * stride, all);
    return;
  }
  for (int64_t token = 0; token < product.input.rows; token += kMaxTokens) {
    const int count = static_cast<int>(std::min<int64_t>(kMaxTokens, product.input.rows - token));
    const Activations<X> x = all.from(token);
    float* const output = product.output + token * product.output_stride;
    for (int64_t r = 0; r < num_rows; ++r) {
      float sums[kMaxTokens];
      dot_several<Isa>(codec, first_row + r * stride, x, count, sums);
      for (int t = 0; t < count; ++t) output[t * product.output_stride + r] = sums[t];
    }
  }
}

template <class Isa>
void dot_rows_with(const RowProduct& product) {
  with_codec<Isa>(product.weight->dtype, [&](auto codec) {
    if (product.input.format == ActivationFormat::kInt8)
      dot_rows_of<Isa, decltype(codec), int8_t>(codec, product);
    else
      dot_rows_of<Isa, decltype(codec), int16_t>(codec, product);
  });
}

}  // namespace
}  // namespace shoal::kernels::cpu
