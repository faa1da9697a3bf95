#include "runtime/device/cuda_check.h"

#include <fmt/format.h>

#include "runtime/base/error.h"
#include "runtime/base/log.h"

namespace shoal::device {
namespace {

std::string words_for(cudaError_t result, std::string_view call) {
  return fmt::format("{}: {} ({})", call, cudaGetErrorString(result), cudaGetErrorName(result));
}

}  // namespace

void cuda_check(cudaError_t result, const std::string& call, std::source_location place) {
  if (result == cudaSuccess) return;
  cudaGetLastError();
  const ExitCode code =
      result == cudaErrorMemoryAllocation ? ExitCode::kDoesNotFit : ExitCode::kUnexpected;
  throw Error(code, words_for(result, call), place);
}

void cuda_warn(cudaError_t result, const char* call) noexcept {
  if (result == cudaSuccess || result == cudaErrorCudartUnloading) return;
  try {
    log::warn("{}", words_for(result, call));
  } catch (...) {
    // Nowhere left to say it.
  }
}

bool cuda_answers(std::string& reason) {
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result == cudaSuccess && count > 0) return true;
  cudaGetLastError();
  reason = result == cudaSuccess ? "the driver sees no GPU" : cudaGetErrorString(result);
  return false;
}

bool has_dependent_launch() {
  static const bool kHas = [] {
    int device = 0, major = 0;
    cuda_check(cudaGetDevice(&device), "cudaGetDevice");
    cuda_check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
               "cudaDeviceGetAttribute");
    return major >= 9;
  }();
  return kHas;
}

}  // namespace shoal::device
