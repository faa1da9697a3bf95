#include "kernels/quant/decode_row.h"

#include <algorithm>
#include <array>

#include "kernels/quant/half.h"
#include "kernels/quant/integer_row.h"
#include "runtime/base/check.h"

namespace shoal::kernels {
namespace {

// Columns decoded at a time, so that the integer form fits on the stack. A multiple of every block.
constexpr int64_t kPiece = 256;

void decode_integer_row(DType dtype, const std::byte* row, int64_t cols, float* out) {
  std::array<int8_t, kPiece> q;
  std::array<float, kPiece / 16> scale;
  std::array<float, kPiece / 16> min;
  const IntegerForm form = integer_form(dtype);
  for (int64_t begin = 0; begin < cols; begin += kPiece) {
    const int64_t count = std::min(kPiece, cols - begin);
    unpack_row(dtype, row + row_bytes(dtype, begin), count, {q.data(), scale.data(), min.data()});
    for (int64_t k = 0; k < count; ++k) {
      const float product = scale[k / form.group] * static_cast<float>(q[k]);
      out[begin + k] = form.min_group != 0 ? product - min[k / form.min_group] : product;
    }
  }
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

}  // namespace

bool can_decode(DType dtype) { return is_float(dtype) || has_integer_form(dtype); }

void decode_row(DType dtype, const std::byte* row, int64_t cols, float* out) {
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, row, static_cast<size_t>(cols) * sizeof(float));
      return;
    case DType::kF16:
      for (int64_t k = 0; k < cols; ++k) out[k] = load_f16(row + 2 * k);
      return;
    case DType::kBF16:
      for (int64_t k = 0; k < cols; ++k) out[k] = f32_from_bf16(load_bytes<uint16_t>(row + 2 * k));
      return;
    default:
      decode_integer_row(dtype, row, cols, out);
  }
}

}  // namespace shoal::kernels
