// Element types of tensors. Values are the ids of GGUF files (ggml tensor types), so a header's
// id converts without a table; dtype_traits() refuses the ids that no longer exist.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace shoal {

enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
};

struct DTypeTraits {
  std::string_view name;  // ggml's lower-case spelling: "q4_K", "iq3_xxs"
  int64_t block_elements;
  int64_t block_bytes;
};

// Empty for ids that are unknown or were removed from the format.
std::optional<DTypeTraits> find_dtype_traits(uint32_t id);

// For a DType that came through find_dtype_traits; asserts otherwise.
const DTypeTraits& dtype_traits(DType dtype);

inline std::string_view dtype_name(DType dtype) { return dtype_traits(dtype).name; }

// Bytes of a row of `elements`, which must be a multiple of the block.
int64_t row_bytes(DType dtype, int64_t elements);

// Block-quantised, as opposed to plain floats or integers.
bool is_quantized(DType dtype);

}  // namespace shoal
