#include "runtime/base/dtype.h"

#include <array>

#include "runtime/base/check.h"

namespace shoal {
namespace {

struct Entry {
  DType dtype;
  DTypeTraits traits;
};

constexpr std::array kTable = {
    Entry{DType::kF32, {"f32", 1, 4}},
    Entry{DType::kF16, {"f16", 1, 2}},
    Entry{DType::kQ4_0, {"q4_0", 32, 18}},
    Entry{DType::kQ4_1, {"q4_1", 32, 20}},
    Entry{DType::kQ5_0, {"q5_0", 32, 22}},
    Entry{DType::kQ5_1, {"q5_1", 32, 24}},
    Entry{DType::kQ8_0, {"q8_0", 32, 34}},
    Entry{DType::kQ2_K, {"q2_K", 256, 84}},
    Entry{DType::kQ3_K, {"q3_K", 256, 110}},
    Entry{DType::kQ4_K, {"q4_K", 256, 144}},
    Entry{DType::kQ5_K, {"q5_K", 256, 176}},
    Entry{DType::kQ6_K, {"q6_K", 256, 210}},
    Entry{DType::kIQ2_XXS, {"iq2_xxs", 256, 66}},
    Entry{DType::kIQ2_XS, {"iq2_xs", 256, 74}},
    Entry{DType::kIQ3_XXS, {"iq3_xxs", 256, 98}},
    Entry{DType::kIQ1_S, {"iq1_s", 256, 50}},
    Entry{DType::kIQ4_NL, {"iq4_nl", 32, 18}},
    Entry{DType::kIQ3_S, {"iq3_s", 256, 110}},
    Entry{DType::kIQ2_S, {"iq2_s", 256, 82}},
    Entry{DType::kIQ4_XS, {"iq4_xs", 256, 136}},
    Entry{DType::kI8, {"i8", 1, 1}},
    Entry{DType::kI16, {"i16", 1, 2}},
    Entry{DType::kI32, {"i32", 1, 4}},
    Entry{DType::kI64, {"i64", 1, 8}},
    Entry{DType::kF64, {"f64", 1, 8}},
    Entry{DType::kIQ1_M, {"iq1_m", 256, 56}},
    Entry{DType::kBF16, {"bf16", 1, 2}},
    Entry{DType::kTQ1_0, {"tq1_0", 256, 54}},
    Entry{DType::kTQ2_0, {"tq2_0", 256, 66}},
    Entry{DType::kMXFP4, {"mxfp4", 32, 17}},
    Entry{DType::kNVFP4, {"nvfp4", 64, 36}},
};

const Entry* find_entry(uint32_t id) {
  for (const Entry& entry : kTable)
    if (static_cast<uint32_t>(entry.dtype) == id) return &entry;
  return nullptr;
}

}  // namespace

std::optional<DTypeTraits> find_dtype_traits(uint32_t id) {
  const Entry* entry = find_entry(id);
  if (entry == nullptr) return std::nullopt;
  return entry->traits;
}

const DTypeTraits& dtype_traits(DType dtype) {
  const Entry* entry = find_entry(static_cast<uint32_t>(dtype));
  SHOAL_ASSERT(entry != nullptr, "dtype id {}", static_cast<uint32_t>(dtype));
  return entry->traits;
}

int64_t row_bytes(DType dtype, int64_t elements) {
  const DTypeTraits& traits = dtype_traits(dtype);
  SHOAL_ASSERT(elements % traits.block_elements == 0, "{} elements of {}", elements, traits.name);
  return elements / traits.block_elements * traits.block_bytes;
}

bool is_quantized(DType dtype) { return dtype_traits(dtype).block_elements > 1; }

}  // namespace shoal
