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

  Activations(const ActivationRows& input, int64_t row)
      : values(static_cast<const X*>(input.values) + row * input.cols),
        scales(input.scales + row * (input.cols / kActivationBlock)),
        sums(input.sums + row * (input.cols / kActivationBlock)),
        cols(input.cols) {}

  ActivationPiece<X> piece(int64_t token, int64_t superblock) const {
    const int64_t block = token * (cols / kActivationBlock) + kSuperblockBlocks * superblock;
    return {values + kActivationBlock * block, scales + block, sums + block};
  }
};

// The last blocks of a row that ends inside a superblock, with zeros behind them.
template <class Codec, class X>
class Tail {
 public:
  Tail(int64_t superblock, int num_blocks) : superblock_(superblock), num_blocks_(num_blocks) {}

  void unpack(const std::byte* row, Superblock& out) const {
    std::byte padded[Codec::kBytes] = {};
    std::memcpy(padded,
                row + superblock_ * Codec::kBytes,
                static_cast<size_t>(num_blocks_ * Codec::kBlockBytes));
    Codec::unpack(padded, out);
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
    const __m256 added =
        add_superblock<Codec>(weights, ActivationPiece<X>{values, scales, sums}, lanes);
    return _mm256_blendv_ps(lanes, added, first_lanes(num_blocks_));
  }

 private:
  int64_t superblock_;
  int num_blocks_;
};

template <class Codec, class X>
float dot_one(const std::byte* row, const Activations<X>& x) {
  const int64_t num_superblocks = x.cols / kSuperblockCols;
  __m256 lanes = _mm256_setzero_ps();
  Superblock weights;
  for (int64_t s = 0; s < num_superblocks; ++s) {
    Codec::unpack(row + s * Codec::kBytes, weights);
    lanes = add_superblock<Codec>(weights, x.piece(0, s), lanes);
  }
  if constexpr (Codec::kBlockBytes != 0) {
    const int tail_blocks = static_cast<int>(x.cols % kSuperblockCols / kActivationBlock);
    if (tail_blocks > 0) {
      const Tail<Codec, X> tail(num_superblocks, tail_blocks);
      tail.unpack(row, weights);
      lanes = tail.add(weights, x, 0, lanes);
    }
  }
  return add_lanes(lanes);
}

template <class Codec, class X>
void dot_several(const std::byte* row, const Activations<X>& x, int num_tokens, float* out) {
  const int64_t num_superblocks = x.cols / kSuperblockCols;
  __m256 lanes[kMaxTokens];
  std::fill_n(lanes, num_tokens, _mm256_setzero_ps());
  Superblock weights;
  for (int64_t s = 0; s < num_superblocks; ++s) {
    Codec::unpack(row + s * Codec::kBytes, weights);
    for (int t = 0; t < num_tokens; ++t)
      lanes[t] = add_superblock<Codec>(weights, x.piece(t, s), lanes[t]);
  }
  if constexpr (Codec::kBlockBytes != 0) {
    const int tail_blocks = static_cast<int>(x.cols % kSuperblockCols / kActivationBlock);
    if (tail_blocks > 0) {
      const Tail<Codec, X> tail(num_superblocks, tail_blocks);
      tail.unpack(row, weights);
      for (int t = 0; t < num_tokens; ++t) lanes[t] = tail.add(weights, x, t, lanes[t]);
    }
  }
  for (int t = 0; t < num_tokens; ++t) out[t] = add_lanes(lanes[t]);
}

template <class Codec, class X>
void dot_rows_of(const RowProduct& product) {
  const std::byte* const first_row = product.weight->row(product.begin);
  const int64_t stride = product.weight->row_stride();
  const int64_t num_rows = product.end - product.begin;
  if (product.input.rows == 1) {
    const Activations<X> x(product.input, 0);
    for (int64_t r = 0; r < num_rows; ++r)
      product.output[r] = dot_one<Codec>(first_row + r * stride, x);
    return;
  }
  for (int64_t token = 0; token < product.input.rows; token += kMaxTokens) {
    const int count = static_cast<int>(std::min<int64_t>(kMaxTokens, product.input.rows - token));
    const Activations<X> x(product.input, token);
    float* const output = product.output + token * product.output_stride;
    for (int64_t r = 0; r < num_rows; ++r) {
      float sums[kMaxTokens];
      dot_several<Codec>(first_row + r * stride, x, count, sums);
      for (int t = 0; t < count; ++t) output[t * product.output_stride + r] = sums[t];
    }
  }
}

}  // namespace

void dot_rows(const RowProduct& product) {
  with_codec(product.weight->dtype, [&](auto codec) {
    using Codec = decltype(codec);
    if (product.input.format == ActivationFormat::kInt8)
      dot_rows_of<Codec, int8_t>(product);
    else
      dot_rows_of<Codec, int16_t>(product);
  });
}

}  // namespace shoal::kernels::cpu
