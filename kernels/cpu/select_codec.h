// From a run-time block type to the compile-time codec.
#pragma once
#include "kernels/cpu/codecs_avx2.h"
#include "kernels/quant/integer_row.h"
#include "runtime/base/dtype.h"

namespace shoal::kernels::cpu {
namespace {

// Calls body(codec). Isa names the codecs of which it has its own.
template <class Isa, class Body>
void with_codec(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kQ8_0:
      return body(CodecQ8_0{});
    case DType::kQ4_K:
      return body(CodecQ4_K{});
    case DType::kQ5_K:
      return body(CodecQ5_K{});
    case DType::kQ6_K:
      return body(CodecQ6_K{});
    case DType::kIQ3_XXS:
      return body(typename Isa::CodecIq3Xxs{});
    case DType::kIQ4_XS:
      return body(CodecIq4Xs{});
    case DType::kMXFP4:
      return body(CodecMxfp4{});
    default:
      break;
  }
  const IntegerForm form = integer_form(dtype);
  if (form.min_group == 16) return body(ScalarCodec<true, 16>{dtype});
  if (form.min_group == 32) return body(ScalarCodec<false, 32>{dtype});
  if (form.group == 16) return body(ScalarCodec<true, 0>{dtype});
  return body(ScalarCodec<false, 0>{dtype});
}

}  // namespace
}  // namespace shoal::kernels::cpu
