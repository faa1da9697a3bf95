#include "launch/private_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string_view>

#include "runtime/base/env.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

// Nobody else's folders are called so; a sweep takes only these.
constexpr std::string_view kPrefix = "shoal-run-";
constexpr size_t kRandom = 6;
// Younger folders may be between their making and their lock.
constexpr std::time_t kMinAge = 10;

int open_folder(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void remove_if_left_behind(const std::filesystem::path& path) {
  struct stat status {};
  const int folder = open_folder(path);
  if (folder < 0) return;
  const bool ours = fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
                    std::time(nullptr) - status.st_mtime > kMinAge;
  std::error_code ignored;
  if (ours && flock(folder, LOCK_EX | LOCK_NB) == 0) std::filesystem::remove_all(path, ignored);
  close(folder);
}

void sweep(const std::string& base) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.size() == kPrefix.size() + kRandom)
      remove_if_left_behind(entry.path());
  }
}

}  // namespace

PrivateDirectory::PrivateDirectory(const std::string& base) {
  sweep(base);
  std::string pattern = fmt::format("{}/{}{}", base, kPrefix, std::string(kRandom, 'X'));
  if (mkdtemp(pattern.data()) == nullptr)
    throw_errno(ExitCode::kStartup, fmt::format("mkdtemp in {}", base));
  path_ = pattern;
  lock_ = open_folder(path_);
  if (lock_ < 0 || flock(lock_, LOCK_EX | LOCK_NB) != 0)
    throw_errno(ExitCode::kStartup, fmt::format("lock of {}", path_));
}

void PrivateDirectory::remove() noexcept {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  path_.clear();
  if (lock_ >= 0) close(lock_);
  lock_ = -1;
}

std::string PrivateDirectory::base_for_sockets() {
  const std::string base = env_value("TMPDIR").value_or("/tmp");
  return base.empty() || base.size() > 40 ? "/tmp" : base;
}

std::string PrivateDirectory::base_for_shared_memory() {
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : base_for_sockets();
}

}  // namespace shoal::launch
