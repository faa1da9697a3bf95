#include "runtime/device/cuda_buffer.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/printable.h"
#include "runtime/device/cuda_check.h"

namespace shoal::device {
namespace {

constexpr size_t kWord = 16;

}  // namespace

DeviceBuffer::DeviceBuffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* memory = nullptr;
  cuda_check(cudaMalloc(&memory, (bytes + kWord - 1) / kWord * kWord),
             fmt::format("cudaMalloc of {}", human_bytes(bytes)));
  data_ = static_cast<std::byte*>(memory);
}

DeviceBuffer::~DeviceBuffer() { cuda_warn(cudaFree(data_), "cudaFree"); }

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

PinnedBuffer::PinnedBuffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* memory = nullptr;
  cuda_check(cudaMallocHost(&memory, bytes),
             fmt::format("cudaMallocHost of {}", human_bytes(bytes)));
  data_ = static_cast<std::byte*>(memory);
}

PinnedBuffer::~PinnedBuffer() { cuda_warn(cudaFreeHost(data_), "cudaFreeHost"); }

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace shoal::device
