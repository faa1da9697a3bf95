// From a DType to its codec: with_codec(dtype, [&]<class Codec>(Codec) { ... }).
#pragma once
#include <string>

#include "kernels/cuda/block_codecs.cuh"
#include "runtime/base/error.h"

namespace shoal::kernels::cuda {

// Throws Error(kBadModel) for block types that have no codec here.
template <class Body>
void with_codec(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kQ8_0:
      return body(Q8_0{});
    case DType::kQ4_K:
      return body(Q4_K{});
    case DType::kQ5_K:
      return body(Q5_K{});
    case DType::kQ6_K:
      return body(Q6_K{});
    case DType::kIQ3_XXS:
      return body(IQ3_XXS{});
    case DType::kIQ4_XS:
      return body(IQ4_XS{});
    case DType::kMXFP4:
      return body(MXFP4{});
    default:
      throw Error(ExitCode::kBadModel,
                  "the CUDA backend has no kernel for " + std::string(dtype_name(dtype)) +
                      " weights; the CPU backend runs them");
  }
}

}  // namespace shoal::kernels::cuda
