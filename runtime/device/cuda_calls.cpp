#include "runtime/device/cuda_calls.h"

#include <fmt/format.h>

#include <atomic>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/device/cuda_check.h"

namespace shoal::device {

bool gpu_answers(std::string& reason) { return cuda_answers(reason); }

DeviceFacts gpu_facts() {
  std::string reason;
  if (!gpu_answers(reason)) throw Error(ExitCode::kUsage, "no GPU answers: " + reason);
  return cuda::facts();
}

namespace {

std::atomic<bool> abandoned = false;

}  // namespace

int num_gpus() {
  std::string reason;
  int count = 0;
  if (gpu_answers(reason)) cuda_check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

void choose_gpu(int index) {
  if (const int count = num_gpus(); count > 0)
    cuda_check(cudaSetDevice(index % count), "cudaSetDevice");
}

void abandon_device() noexcept { abandoned = true; }

namespace cuda {
namespace {

cudaStream_t stream_of(void* handle) { return static_cast<cudaStream_t>(handle); }
cudaEvent_t event_of(void* handle) { return static_cast<cudaEvent_t>(handle); }

// Kernels may read the aligned words around the ends of what lies in an allocation.
constexpr size_t kWord = 256;

}  // namespace

DeviceFacts facts() {
  int device = 0;
  cuda_check(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties;
  cuda_check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  size_t free_bytes = 0, total_bytes = 0;
  cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
  return {properties.name, total_bytes, free_bytes};
}

std::byte* allocate_device(size_t bytes) {
  void* memory = nullptr;
  const size_t rounded = (bytes + kWord - 1) / kWord * kWord;
  cuda_check(cudaMalloc(&memory, rounded), fmt::format("cudaMalloc of {}", human_bytes(bytes)));
  cuda_check(cudaMemset(memory, 0, rounded), "cudaMemset");
  cuda_check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
  return static_cast<std::byte*>(memory);
}

void free_device(std::byte* memory) noexcept {
  if (!abandoned) cuda_warn(cudaFree(memory), "cudaFree");
}

std::byte* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  cuda_check(cudaMallocHost(&memory, bytes),
             fmt::format("cudaMallocHost of {}", human_bytes(bytes)));
  return static_cast<std::byte*>(memory);
}

void free_pinned(std::byte* memory) noexcept {
  if (!abandoned) cuda_warn(cudaFreeHost(memory), "cudaFreeHost");
}

void* make_stream() {
  cudaStream_t stream = nullptr;
  cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

void free_stream(void* stream) noexcept {
  if (!abandoned) cuda_warn(cudaStreamDestroy(stream_of(stream)), "cudaStreamDestroy");
}

void copy(void* stream, void* to, const void* from, size_t bytes) {
  cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)),
             "cudaMemcpyAsync");
}

void fill_zero(void* stream, void* memory, size_t bytes) {
  cuda_check(cudaMemsetAsync(memory, 0, bytes, stream_of(stream)), "cudaMemsetAsync");
}

void* make_event() {
  cudaEvent_t event = nullptr;
  cuda_check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}

void free_event(void* event) noexcept {
  if (!abandoned) cuda_warn(cudaEventDestroy(event_of(event)), "cudaEventDestroy");
}

void record(void* event, void* stream) {
  cuda_check(cudaEventRecord(event_of(event), stream_of(stream)), "cudaEventRecord");
}

bool has_happened(void* event) {
  const cudaError_t state = cudaEventQuery(event_of(event));
  if (state == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  cuda_check(state, "device work before this point");
  return true;
}

void* capture(void* stream, const std::function<void()>& work) {
  cudaGraph_t graph = nullptr;
  cuda_check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  try {
    work();
  } catch (...) {
    // The stream must leave capture mode, whatever became of the graph.
    cudaStreamEndCapture(stream_of(stream), &graph);
    if (graph != nullptr) cuda_warn(cudaGraphDestroy(graph), "cudaGraphDestroy");
    cudaGetLastError();
    throw;
  }
  cuda_check(cudaStreamEndCapture(stream_of(stream), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&executable, graph, 0);
  cuda_warn(cudaGraphDestroy(graph), "cudaGraphDestroy");
  cuda_check(made, "cudaGraphInstantiate");
  return executable;
}

void launch(void* graph, void* stream) {
  cuda_check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)),
             "cudaGraphLaunch");
}

void free_graph(void* graph) noexcept {
  if (!abandoned)
    cuda_warn(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)), "cudaGraphExecDestroy");
}

}  // namespace cuda
}  // namespace shoal::device
