#include "loader/hub/partial_file.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "runtime/base/error.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::hub {
namespace {

using namespace std::chrono_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class PartialFileTest : public testing::Test {
 protected:
  std::string path() const { return scratch_.path() + "/m.gguf"; }
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  loader::testing::ScratchFolder scratch_;
};

TEST_F(PartialFileTest, HasItsNameOnlyWhenFinished) {
  auto file = PartialFile::claim(path(), 6, {});
  ASSERT_TRUE(file);
  file->append(bytes_of("abc"));
  EXPECT_FALSE(std::filesystem::exists(path()));
  file->append(bytes_of("def"));
  file->finish();
  EXPECT_EQ(content(path()), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(path() + ".partial"));
  EXPECT_FALSE(PartialFile::claim(path(), 6, {}));
}

TEST_F(PartialFileTest, GoesOnWhereAnEarlierOneEnded) {
  { PartialFile::claim(path(), 6, {})->append(bytes_of("abc")); }
  auto file = PartialFile::claim(path(), 6, {});
  EXPECT_EQ(file->size(), 3U);
  Sha256 ours, theirs;
  file->hash_into(ours);
  theirs.add("abc");
  EXPECT_EQ(ours.hex(), theirs.hex());
  file->append(bytes_of("def"));
  file->finish();
  EXPECT_EQ(content(path()), "abcdef");
}

TEST_F(PartialFileTest, TooLongALeftoverIsCut) {
  std::ofstream(path() + ".partial") << "0123456789";
  EXPECT_EQ(PartialFile::claim(path(), 6, {})->size(), 0U);
}

TEST_F(PartialFileTest, AFileOfAnotherSizeIsNotWholeAndIsReplaced) {
  std::ofstream(path()) << "abc";
  EXPECT_FALSE(is_whole(path(), 6));
  auto file = PartialFile::claim(path(), 6, {});
  ASSERT_TRUE(file);
  file->append(bytes_of("ABCDEF"));
  file->finish();
  EXPECT_EQ(content(path()), "ABCDEF");
}

// flock() belongs to the open file, so two claims in one process contend as two processes do.
TEST_F(PartialFileTest, TheSecondWaitsAndFindsTheFirstsWork) {
  auto first = PartialFile::claim(path(), 6, {});
  std::atomic<uint64_t> noticed = 0;
  bool second_had_to_write = true;
  std::thread second([&] {
    PartialFile::Waiting waiting;
    waiting.noticed = [&](uint64_t bytes) { noticed = bytes; };
    second_had_to_write = PartialFile::claim(path(), 6, waiting).has_value();
  });
  first->append(bytes_of("abc"));
  while (noticed < 3) std::this_thread::sleep_for(1ms);
  first->append(bytes_of("def"));
  first->finish();
  first.reset();
  second.join();
  EXPECT_FALSE(second_had_to_write);
  EXPECT_EQ(content(path()), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(path() + ".partial"));
}

TEST_F(PartialFileTest, AHolderThatStandsStillIsNamedAndNotWaitedForForever) {
  const auto first = PartialFile::claim(path(), 6, {});
  PartialFile::Waiting waiting;
  waiting.longest = 0s;
  EXPECT_THROW(PartialFile::claim(path(), 6, waiting), Error);
  waiting.longest = 60s;
  waiting.cancelled = [] { return true; };
  EXPECT_FALSE(PartialFile::claim(path(), 6, waiting));
}

TEST_F(PartialFileTest, ALinkInItsPlaceIsNotFollowed) {
  std::filesystem::create_symlink(scratch_.path() + "/elsewhere", path() + ".partial");
  EXPECT_THROW(PartialFile::claim(path(), 6, {}), Error);
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() + "/elsewhere"));
}

}  // namespace
}  // namespace shoal::hub
