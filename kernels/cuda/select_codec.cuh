// From a DType to its codec, on the host and on the device:
//   with_codec(dtype, [&]<class Codec>(Codec) { ... });
// A device caller switches once a thread block, so all its threads go the same way.
#pragma once
#include <string>

#include "kernels/cuda/block_codecs.cuh"
#include "kernels/cuda/float_product.cuh"
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

// The caller has checked that there is one (check_cuda_type).
template <class Body>
__device__ inline void with_device_codec(DType dtype, const Body& body) {
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
    default:
      return body(MXFP4{});
  }
}

// False where the type is not a float type; body is not called then.
template <class Body>
__device__ inline bool with_device_float(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF32:
      body(F32Weights{});
      return true;
    case DType::kF16:
      body(F16Weights{});
      return true;
    case DType::kBF16:
      body(BF16Weights{});
      return true;
    default:
      return false;
  }
}

}  // namespace shoal::kernels::cuda
