#include "loader/hub/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

using namespace std::chrono_literals;

ExitCode exit_code_of(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? ExitCode::kDoesNotFit
                                                              : ExitCode::kUsage;
}

[[noreturn]] void fail_file(const char* what, const std::string& path) {
  const int error = errno;
  throw Error(exit_code_of(error),
              fmt::format("{} {}: {}", what, printable(path, 300), std::strerror(error)));
}

// A new name survives a power cut only when its folder was synced too.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_file("cannot open", folder);
  const int done = fsync(fd);
  close(fd);
  if (done != 0) fail_file("cannot sync", folder);
}

uint64_t size_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

bool is_whole(const std::string& path, uint64_t bytes) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<uint64_t>(status.st_size) == bytes;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : path_(std::move(other.path_)), wanted_(other.wanted_), size_(other.size_), fd_(other.fd_) {
  other.fd_ = -1;
}

PartialFile::~PartialFile() { close(); }

void PartialFile::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void PartialFile::fail(const char* what) const {
  const int error = errno;
  throw Error(exit_code_of(error),
              fmt::format("{} {}.partial: {}; {} of {} bytes are kept, the next try goes on there",
                          what,
                          printable(path_, 300),
                          std::strerror(error),
                          grouped(size_),
                          grouped(wanted_)));
}

std::optional<PartialFile> PartialFile::claim(const std::string& path,
                                              uint64_t bytes,
                                              const Waiting& waiting) {
  PartialFile file(path, bytes);
  if (!file.open_and_lock(waiting)) return std::nullopt;
  return file;
}

// The holder renames the file away from under those who wait for its lock, so a lock counts only
// while the name still leads to what was locked.
bool PartialFile::still_named() const {
  struct stat ours {
  }, named{};
  return fstat(fd_, &ours) == 0 && lstat((path_ + ".partial").c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

bool PartialFile::open_and_lock(const Waiting& waiting) {
  uint64_t seen = 0;
  Deadline deadline = Deadline::after(waiting.longest);
  while (!is_whole(path_, wanted_)) {
    if (waiting.cancelled && waiting.cancelled()) return false;
    if (fd_ < 0)
      fd_ = open((path_ + ".partial").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd_ < 0) fail_file("cannot write", path_ + ".partial");
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) {
      if (still_named() && !is_whole(path_, wanted_)) {
        size_ = size_of(fd_);
        if (size_ > wanted_) truncate();
        return true;
      }
      // Either the holder finished, or it left a name that leads elsewhere: look again.
      if (still_named()) unlink((path_ + ".partial").c_str());
      close();
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) fail_file("cannot lock", path_ + ".partial");
    const uint64_t now = size_of(fd_);
    if (now != seen) deadline = Deadline::after(waiting.longest);
    seen = now;
    if (waiting.noticed) waiting.noticed(now);
    if (deadline.passed())
      throw Error(ExitCode::kStartup,
                  fmt::format("another process holds {}.partial and has written nothing for {} s",
                              printable(path_, 300),
                              waiting.longest.count()));
    std::this_thread::sleep_for(100ms);
  }
  close();
  return false;
}

void PartialFile::hash_into(Sha256& hash) const {
  constexpr size_t kPiece = 1 << 20;
  std::vector<std::byte> piece(kPiece);
  for (uint64_t at = 0; at < size_;) {
    const ssize_t got = pread(fd_, piece.data(), kPiece, static_cast<off_t>(at));
    if (got <= 0) fail("cannot read");
    hash.add(std::span(piece.data(), static_cast<size_t>(got)));
    at += static_cast<uint64_t>(got);
  }
}

void PartialFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail("cannot write");
    size_ += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

void PartialFile::truncate() {
  if (ftruncate(fd_, 0) != 0) fail("cannot cut");
  size_ = 0;
}

void PartialFile::finish() {
  if (fsync(fd_) != 0) fail("cannot sync");
  if (rename((path_ + ".partial").c_str(), path_.c_str()) != 0) fail("cannot rename");
  sync_folder_of(path_);
}

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw Error(
        ExitCode::kUsage,
        fmt::format("cannot make the cache folder {}: {}", printable(path, 300), error.message()));
}

void write_whole_file(const std::string& path, const std::string& text) {
  const std::string draft = fmt::format("{}.{}.draft", path, getpid());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) fail_file("cannot write", draft);
  const auto leave = [&](const char* what) {
    const int error = errno;
    ::close(fd);
    unlink(draft.c_str());
    errno = error;
    fail_file(what, draft);
  };
  errno = ENOSPC;  // what a short write means
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    leave("cannot write");
  if (fsync(fd) != 0) leave("cannot sync");
  ::close(fd);
  if (rename(draft.c_str(), path.c_str()) != 0) fail_file("cannot rename", draft);
  sync_folder_of(path);
}

}  // namespace shoal::hub
