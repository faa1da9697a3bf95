#include "launch/private_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

namespace shoal::launch {
namespace {

namespace fs = std::filesystem;

void make_old(const fs::path& path) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(1));
}

TEST(PrivateDirectory, IsClosedToOthersAndRemovedWithItsContents) {
  const PrivateDirectory base("/tmp");
  std::optional<PrivateDirectory> folder(base.path());
  const fs::path path = folder->path();
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  fs::create_directory(path / "inner");
  std::ofstream(path / "inner" / "file") << "x";
  folder.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST(PrivateDirectory, WhatAKilledProcessLeftIsRemovedByTheNext) {
  const PrivateDirectory base("/tmp");
  const pid_t child = fork();
  if (child == 0) {
    const PrivateDirectory folder(base.path());
    std::ofstream(folder.path() + "/file") << "x";
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(fs::is_empty(base.path()));
  const fs::path left = fs::directory_iterator(base.path())->path();
  make_old(left);
  const PrivateDirectory next(base.path());
  EXPECT_FALSE(fs::exists(left));
}

TEST(PrivateDirectory, WhatALivingProcessHoldsStays) {
  const PrivateDirectory base("/tmp");
  const PrivateDirectory held(base.path());
  make_old(held.path());
  fs::create_directory(fs::path(base.path()) / "somebody-elses");
  make_old(fs::path(base.path()) / "somebody-elses");
  const PrivateDirectory next(base.path());
  EXPECT_TRUE(fs::exists(held.path()));
  EXPECT_TRUE(fs::exists(fs::path(base.path()) / "somebody-elses"));
}

}  // namespace
}  // namespace shoal::launch
