// Y = X W^T on quantised weights, and the one row arithmetic behind it.
//
// THE ROW ARITHMETIC (all backends, all batch sizes, all thread and rank counts)
// Activations are integers with one f32 scale per 32 columns ("a 32-block"): int16 for dense
// tensors, int8 for experts. A weight row decodes to int8 values q with f32 scales per `group`
// columns (32, or 16 where the type has finer scales), and for some types an f32 minimum per 32.
// For one output, eight f32 lanes start at 0; 32-block j belongs to lane j mod 8; blocks are taken
// in rising order, and inside a block its groups g in rising order:
//     lane = fma(w_scale[g] * x_scale[j], float(sum over the group of q * x), lane)
//     lane = fma(-w_min[j], x_sum[j], lane)            only for types with a minimum per 32
// where the integer sum is exact (int32), w_scale * x_scale is rounded once, and
// x_sum[j] = x_scale[j] * float(sum of x over the block), rounded once.
// q2_K, the one type with a minimum per 16, takes after each of its groups
//     lane = fma(-(w_min[g] * x_scale[j]), float(sum over the group of x), lane)
// The output is ((l0 + l1) + (l2 + l3)) + ((l4 + l5) + (l6 + l7)), times WeightView::scale.
// Float weights (F32, F16, BF16) take f32 activations: column k belongs to lane k mod 8,
//     lane = fma(float(w[k]), x[k], lane), same final tree, same scale.
#pragma once
#include <cstdint>

#include "kernels/weight_view.h"
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

enum class ActivationFormat : uint8_t { kF32, kInt16, kInt8 };

inline constexpr int64_t kActivationBlock = 32;

// Rows of activations in one of the formats. Owned by whoever allocated the pointers.
struct ActivationRows {
  ActivationFormat format = ActivationFormat::kF32;
  int64_t rows = 0;
  int64_t cols = 0;               // a multiple of 32 unless kF32
  const void* values = nullptr;   // [rows, cols] float, int16 or int8
  const float* scales = nullptr;  // [rows, cols / 32]; null for kF32
  const float* sums = nullptr;    // [rows, cols / 32] scale * (integer sum); null for kF32
};

// Formats that `dtype` weights are multiplied with: floats need kF32, quantised types the others.
bool accepts(DType dtype, ActivationFormat format);

// f32 rows -> int16 or int8 rows. Per 32-block: m = max|x|, limit = 32767 or 127,
// scale = m / limit, value = nearbyint(x * (limit / m)) (ties to even), all 0 when m is 0 or so
// small that limit / m is infinite. NaN and infinite inputs give some value and never a trap; an
// infinite m makes the scale infinite.
struct QuantizeRowsParams {
  TensorView rows;          // [n, cols] f32
  ActivationFormat format;  // kInt16 or kInt8
  void* values;             // out [n, cols]
  float* scales;            // out [n, cols / 32]
  float* sums;              // out [n, cols / 32]
};

// Asserts what every product needs: a known layout, an accepted format, equal columns.
void check_product(const WeightView& weight,
                   const ActivationRows& input,
                   WeightLayout layout = WeightLayout::kGguf);

struct MatmulParams {
  WeightView weight;     // [out, in]
  ActivationRows input;  // [n, in]
  TensorView output;     // [n, out] f32, overwritten
};

// token ids -> rows of the embedding table, decoded exactly to f32.
struct EmbedRowsParams {
  WeightView table;      // [vocab, hidden]
  TensorView token_ids;  // [n] i32, each inside the table
  TensorView output;     // [n, hidden] f32
};

}  // namespace shoal::kernels
