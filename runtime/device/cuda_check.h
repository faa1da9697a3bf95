// The check that every CUDA runtime call goes through:
//   cuda_check(cudaMemcpyAsync(...), "cudaMemcpyAsync");
// A failure throws Error with the call's text, CUDA's name and words for it, and the caller's
// place. A destructor must not throw: it uses cuda_warn, which logs.
#pragma once
#include <cuda_runtime_api.h>

#include <source_location>
#include <string>

namespace shoal::device {

// cudaErrorMemoryAllocation becomes kDoesNotFit, everything else kUnexpected. Clears the runtime's
// remembered error where CUDA allows that.
void cuda_check(cudaError_t result,
                const std::string& call,
                std::source_location place = std::source_location::current());

// For destructors. Says nothing when the runtime is already unloading.
void cuda_warn(cudaError_t result, const char* call) noexcept;

// Whether a GPU answers; if not, why not in `reason`.
bool cuda_answers(std::string& reason);

// Whether the current device starts a kernel before its predecessor has ended (Hopper and later).
bool has_dependent_launch();

}  // namespace shoal::device
