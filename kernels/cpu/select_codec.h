// From a run-time block type to the compile-time codec.
#pragma once
#include "kernels/cpu/codecs_avx2.h"
#include "kernels/cpu/codecs_grid_avx2.h"
#include "kernels/cpu/codecs_low_k_avx2.h"
#include "kernels/cpu/codecs_plain_avx2.h"
#include "kernels/quant/integer_row.h"
#include "runtime/base/check.h"
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
    case DType::kQ4_0:
      return body(CodecQ4_0{});
    case DType::kQ4_1:
      return body(CodecQ4_1{});
    case DType::kQ5_0:
      return body(CodecQ5_0{});
    case DType::kQ5_1:
      return body(CodecQ5_1{});
    case DType::kIQ4_NL:
      return body(CodecIq4Nl{});
    case DType::kNVFP4:
      return body(CodecNvfp4{});
    case DType::kTQ2_0:
      return body(CodecTq2_0{});
    case DType::kQ2_K:
      return body(CodecQ2_K{});
    case DType::kQ3_K:
      return body(CodecQ3_K{});
    case DType::kIQ2_XXS:
      return body(CodecIq2Xxs{});
    case DType::kIQ2_XS:
      return body(CodecIq2Xs{});
    case DType::kIQ2_S:
      return body(CodecIq2S{});
    case DType::kIQ3_S:
      return body(CodecIq3S{});
    case DType::kIQ1_S:
      return body(CodecIq1S{});
    case DType::kIQ1_M:
      return body(CodecIq1M{});
    default:
      break;
  }
  const IntegerForm form = integer_form(dtype);
  SHOAL_ASSERT(form.group == 32 && form.min_group == 0, "no codec for {}", dtype_name(dtype));
  body(ScalarCodec{dtype});
}

}  // namespace
}  // namespace shoal::kernels::cpu
