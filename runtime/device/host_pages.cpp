#include "runtime/device/host_pages.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::device {

HostPages::HostPages(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* mapped = mmap(
      nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    throw Error(ExitCode::kDoesNotFit,
                fmt::format("{} of host memory cannot be had", human_bytes(bytes)));
  data_ = static_cast<std::byte*>(mapped);
}

HostPages::~HostPages() {
  if (data_ != nullptr) munmap(data_, size_);
}

HostPages::HostPages(HostPages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

HostPages& HostPages::operator=(HostPages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace shoal::device
