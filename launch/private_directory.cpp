#include "launch/private_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "runtime/base/env.h"
#include "runtime/base/error.h"

namespace shoal::launch {

PrivateDirectory::PrivateDirectory(const std::string& base) {
  std::string pattern = base + "/shoal-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr)
    throw_errno(ExitCode::kStartup, fmt::format("mkdtemp in {}", base));
  path_ = pattern;
}

void PrivateDirectory::remove() noexcept {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  path_.clear();
}

std::string PrivateDirectory::base_for_sockets() {
  const std::string base = env_value("TMPDIR").value_or("/tmp");
  return base.empty() || base.size() > 40 ? "/tmp" : base;
}

std::string PrivateDirectory::base_for_shared_memory() {
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : base_for_sockets();
}

}  // namespace shoal::launch
