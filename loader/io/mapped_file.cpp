#include "loader/io/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "loader/format/bad_file.h"
#include "loader/io/lost_mapping.h"
#include "runtime/base/check.h"

namespace shoal::loader {
namespace {

[[noreturn]] void refuse_errno(const std::string& path) {
  refuse(88, {path}, fmt::format("{}: {}", quoted_path(path), std::strerror(errno)));
}

uint64_t page_bytes() {
  static const auto bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

MappedFile MappedFile::open(const std::string& path) {
  MappedFile file;
  file.path_ = path;
  struct stat status = {};
  // Before open(): opening a device or a FIFO can have effects or block.
  if (::stat(path.c_str(), &status) != 0) refuse_errno(path);
  if (!S_ISREG(status.st_mode))
    refuse(88, {path}, fmt::format("{} is not a regular file", quoted_path(path)));
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd_ < 0) refuse_errno(path);
  if (::fstat(file.fd_, &status) != 0) refuse_errno(path);
  file.size_ = static_cast<size_t>(status.st_size);
  if (file.size_ == 0) return file;  // an empty mapping is an error; an empty file is read as such
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, file.fd_, 0);
  if (data == MAP_FAILED) refuse_errno(path);
  file.data_ = static_cast<const std::byte*>(data);
  remember_mapping(file.bytes(), path);
  return file;
}

void MappedFile::stop_read_ahead() const {
  if (size_ > 0) ::madvise(const_cast<std::byte*>(data_), size_, MADV_RANDOM);
}

MappedFile::~MappedFile() { close(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  path_ = std::move(other.path_);
  fd_ = std::exchange(other.fd_, -1);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void MappedFile::close() noexcept {
  if (data_ != nullptr) {
    forget_mapping(bytes());
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
  if (fd_ >= 0) ::close(fd_);
  data_ = nullptr;
  fd_ = -1;
}

void MappedFile::will_need(uint64_t offset, uint64_t count) const {
  SHOAL_ASSERT(offset <= size_ && count <= size_ - offset, "{}+{} of {}", offset, count, size_);
  // One call reads no more than the device's read-ahead window, of which this is the default.
  constexpr uint64_t kPieceBytes = 128 << 10;
  const uint64_t end = offset + count;
  for (uint64_t begin = offset / page_bytes() * page_bytes(); begin < end; begin += kPieceBytes)
    // Advice: a kernel that cannot follow it is slower, not wrong.
    ::madvise(
        const_cast<std::byte*>(data_) + begin, std::min(kPieceBytes, end - begin), MADV_WILLNEED);
}

void MappedFile::read_into(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_errno(path_);
    if (got == 0)
      refuse(69,
             {path_, offset},
             fmt::format("file ends here but had {} bytes when it was opened", size_));
    out = out.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
}

std::optional<uint64_t> MappedFile::resident_bytes(uint64_t offset, uint64_t count) const {
  SHOAL_ASSERT(offset <= size_ && count <= size_ - offset, "{}+{} of {}", offset, count, size_);
  if (count == 0) return 0;
  const int fd = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const uint64_t first = offset / page_bytes();
  const uint64_t last = (offset + count - 1) / page_bytes();
  const uint64_t base = reinterpret_cast<uintptr_t>(data_) / page_bytes();
  std::vector<uint64_t> pages(last - first + 1);
  const size_t wanted = pages.size() * sizeof(uint64_t);
  const ssize_t got =
      ::pread(fd, pages.data(), wanted, static_cast<off_t>((base + first) * sizeof(uint64_t)));
  ::close(fd);
  if (got != static_cast<ssize_t>(wanted)) return std::nullopt;
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  uint64_t resident = 0;
  for (uint64_t page = first; page <= last; ++page) {
    if ((pages[page - first] & kPresent) == 0) continue;
    const uint64_t begin = std::max(offset, page * page_bytes());
    const uint64_t end = std::min(offset + count, (page + 1) * page_bytes());
    resident += end - begin;
  }
  return resident;
}

}  // namespace shoal::loader
