// A stream of device work and a mark in one. Move-only. Streams are created without ties to the
// default stream, which nothing of ours uses.
#pragma once
#include <cuda_runtime_api.h>

#include "runtime/base/exec.h"

namespace shoal::device {

class CudaStream {
 public:
  CudaStream();
  ~CudaStream();
  CudaStream(CudaStream&& other) noexcept;
  CudaStream& operator=(CudaStream&& other) noexcept;

  cudaStream_t get() const { return stream_; }
  Stream view() const { return {stream_}; }

  // Blocks the calling thread until everything queued so far has run.
  void synchronize() const;
  // Both return at once; the memory must live until the copy has run.
  void copy_to_device(void* to, const void* from, size_t bytes) const;
  void copy_to_host(void* to, const void* from, size_t bytes) const;

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaEvent {
 public:
  CudaEvent();
  ~CudaEvent();
  CudaEvent(CudaEvent&& other) noexcept;
  CudaEvent& operator=(CudaEvent&& other) noexcept;

  cudaEvent_t get() const { return event_; }
  void record(const CudaStream& stream) const;
  // Device time between two events that have both happened; blocks until this one has.
  float milliseconds_since(const CudaEvent& earlier) const;

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace shoal::device
