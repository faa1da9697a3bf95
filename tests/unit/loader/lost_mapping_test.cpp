#include "loader/io/lost_mapping.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "loader/io/mapped_file.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::loader::testing {
namespace {

[[noreturn]] void print_and_leave(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  ::_exit(3);
}

// Maps two files, shortens one and reads behind its new end.
void touch_a_lost_page(const ScratchFolder& folder) {
  watch_mappings(print_and_leave);
  const MappedFile other = MappedFile::open(folder.write("other.gguf", std::string(1 << 20, 'y')));
  const MappedFile file = MappedFile::open(folder.write("lost.gguf", std::string(1 << 20, 'x')));
  std::filesystem::resize_file(file.path(), 4096);
  const volatile std::byte* bytes = file.bytes().data();
  [[maybe_unused]] const std::byte touched = bytes[100'000];
}

TEST(LostMapping, AShrunkenFileIsNamedAndEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const ScratchFolder folder;
        touch_a_lost_page(folder);
      },
      ::testing::ExitedWithCode(3),
      "error.GGUF-90.: .*/lost.gguf: byte 100000: file changed while loaded: it is shorter than it "
      "was; restart this rank");
}

// A thread that cannot leave does not keep the process.
TEST(LostMapping, LeavesEvenWhereNobodyListens) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const ScratchFolder folder;
        watch_mappings([](const std::string&) { ::pause(); });
        const MappedFile file =
            MappedFile::open(folder.write("lost.gguf", std::string(1 << 20, 'x')));
        std::filesystem::resize_file(file.path(), 0);
        const volatile std::byte* bytes = file.bytes().data();
        [[maybe_unused]] const std::byte touched = bytes[5];
      },
      ::testing::ExitedWithCode(3),
      "a model file became shorter");
}

}  // namespace
}  // namespace shoal::loader::testing
