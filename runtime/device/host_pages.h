// Anonymous, zeroed host memory taken page by page on first touch. Move-only.
#pragma once
#include <cstddef>
#include <span>

namespace shoal::device {

class HostPages {
 public:
  HostPages() = default;
  explicit HostPages(size_t bytes);  // throws Error(kDoesNotFit)
  ~HostPages();
  HostPages(HostPages&& other) noexcept;
  HostPages& operator=(HostPages&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_, size_}; }
  float* floats() const { return reinterpret_cast<float*>(data_); }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace shoal::device
