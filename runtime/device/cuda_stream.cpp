#include "runtime/device/cuda_stream.h"

#include <utility>

#include "runtime/device/cuda_check.h"

namespace shoal::device {

CudaStream::CudaStream() {
  cuda_check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
}

CudaStream::~CudaStream() {
  if (stream_ != nullptr) cuda_warn(cudaStreamDestroy(stream_), "cudaStreamDestroy");
}

CudaStream::CudaStream(CudaStream&& other) noexcept
    : stream_(std::exchange(other.stream_, nullptr)) {}

CudaStream& CudaStream::operator=(CudaStream&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}

void CudaStream::synchronize() const {
  cuda_check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

void CudaStream::copy_to_device(void* to, const void* from, size_t bytes) const {
  cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_),
             "cudaMemcpyAsync to the device");
}

void CudaStream::copy_to_host(void* to, const void* from, size_t bytes) const {
  cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_),
             "cudaMemcpyAsync to the host");
}

CudaEvent::CudaEvent() { cuda_check(cudaEventCreate(&event_), "cudaEventCreate"); }

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) cuda_warn(cudaEventDestroy(event_), "cudaEventDestroy");
}

CudaEvent::CudaEvent(CudaEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}

CudaEvent& CudaEvent::operator=(CudaEvent&& other) noexcept {
  std::swap(event_, other.event_);
  return *this;
}

void CudaEvent::record(const CudaStream& stream) const {
  cuda_check(cudaEventRecord(event_, stream.get()), "cudaEventRecord");
}

float CudaEvent::milliseconds_since(const CudaEvent& earlier) const {
  float milliseconds = 0.0f;
  cuda_check(cudaEventSynchronize(event_), "cudaEventSynchronize");
  cuda_check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_), "cudaEventElapsedTime");
  return milliseconds;
}

}  // namespace shoal::device
