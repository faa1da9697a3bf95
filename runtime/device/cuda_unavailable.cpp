#include "runtime/base/error.h"
#include "runtime/device/cuda_calls.h"

namespace shoal::device {
namespace {

constexpr const char* kReason = "this build has no CUDA backend (configure with -DSHOAL_CUDA=ON)";

[[noreturn]] void refuse() { throw Error(ExitCode::kUsage, kReason); }

}  // namespace

bool gpu_answers(std::string& reason) {
  reason = kReason;
  return false;
}

DeviceFacts gpu_facts() { refuse(); }
void choose_gpu(int) {}
int num_gpus() { return 0; }
void abandon_device() noexcept {}

namespace cuda {

DeviceFacts facts() { refuse(); }
std::byte* allocate_device(size_t) { refuse(); }
void free_device(std::byte*) noexcept {}
std::byte* allocate_pinned(size_t) { refuse(); }
void free_pinned(std::byte*) noexcept {}
void* make_stream() { refuse(); }
void free_stream(void*) noexcept {}
void copy(void*, void*, const void*, size_t) { refuse(); }
void fill_zero(void*, void*, size_t) { refuse(); }
void* make_event() { refuse(); }
void free_event(void*) noexcept {}
void record(void*, void*) { refuse(); }
bool has_happened(void*) { refuse(); }
void* capture(void*, const std::function<void()>&) { refuse(); }
void launch(void*, void*) { refuse(); }
void free_graph(void*) noexcept {}

}  // namespace cuda
}  // namespace shoal::device
