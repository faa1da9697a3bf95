#include "kernels/quant/integer_row.h"

#include <array>

#include "kernels/quant/block_unpack.h"
#include "runtime/base/check.h"

namespace shoal::kernels {
namespace {

struct Entry {
  DType dtype;
  IntegerForm form;
  UnpackRow unpack;
};

constexpr std::array kEntries = {
    Entry{DType::kQ4_0, {32, 0}, unpack_q4_0},
    Entry{DType::kQ4_1, {32, 32}, unpack_q4_1},
    Entry{DType::kQ5_0, {32, 0}, unpack_q5_0},
    Entry{DType::kQ5_1, {32, 32}, unpack_q5_1},
    Entry{DType::kQ8_0, {32, 0}, unpack_q8_0},
    Entry{DType::kQ2_K, {16, 16}, unpack_q2_k},
    Entry{DType::kQ3_K, {16, 0}, unpack_q3_k},
    Entry{DType::kQ4_K, {32, 32}, unpack_q4_k},
    Entry{DType::kQ5_K, {32, 32}, unpack_q5_k},
    Entry{DType::kQ6_K, {16, 0}, unpack_q6_k},
    Entry{DType::kIQ1_S, {32, 0}, unpack_iq1_s},
    Entry{DType::kIQ1_M, {16, 0}, unpack_iq1_m},
    Entry{DType::kIQ2_XXS, {32, 0}, unpack_iq2_xxs},
    Entry{DType::kIQ2_XS, {16, 0}, unpack_iq2_xs},
    Entry{DType::kIQ2_S, {16, 0}, unpack_iq2_s},
    Entry{DType::kIQ3_XXS, {32, 0}, unpack_iq3_xxs},
    Entry{DType::kIQ3_S, {32, 0}, unpack_iq3_s},
    Entry{DType::kIQ4_NL, {32, 0}, unpack_iq4_nl},
    Entry{DType::kIQ4_XS, {32, 0}, unpack_iq4_xs},
    Entry{DType::kMXFP4, {32, 0}, unpack_mxfp4},
    Entry{DType::kNVFP4, {16, 0}, unpack_nvfp4},
    Entry{DType::kTQ1_0, {32, 0}, unpack_tq1_0},
    Entry{DType::kTQ2_0, {32, 0}, unpack_tq2_0},
};

const Entry* find_entry(DType dtype) {
  for (const Entry& entry : kEntries)
    if (entry.dtype == dtype) return &entry;
  return nullptr;
}

const Entry& checked_entry(DType dtype) {
  const Entry* entry = find_entry(dtype);
  SHOAL_ASSERT(entry != nullptr, "no integer form for {}", dtype_name(dtype));
  return *entry;
}

}  // namespace

bool has_integer_form(DType dtype) { return find_entry(dtype) != nullptr; }

IntegerForm integer_form(DType dtype) { return checked_entry(dtype).form; }

UnpackRow unpack_function(DType dtype) { return checked_entry(dtype).unpack; }

void unpack_row(DType dtype, const std::byte* row, int64_t cols, const IntegerRow& out) {
  SHOAL_ASSERT(
      cols % dtype_traits(dtype).block_elements == 0, "{} columns of {}", cols, dtype_name(dtype));
  checked_entry(dtype).unpack(row, cols, out);
}

}  // namespace shoal::kernels
