#include "loader/io/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/format/model_config.h"
#include "tests/unit/loader/scratch_folder.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

const std::string kDemo = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL";

std::string open_verdict(const std::string& path) {
  return verdict([&] { open_model(path); });
}

// What the files' writer counted: 149 tensors over four shards, behind one with metadata alone.
void expect_demo_model(const ModelFiles& model) {
  EXPECT_EQ(model.files.size(), 5U);
  EXPECT_EQ(model.directory.shards().size(), 5U);
  EXPECT_EQ(model.directory.tensors().size(), 149U);
  EXPECT_EQ(model.directory.total_bytes(), 28885952U);
  EXPECT_EQ(model.directory.shards()[0].bytes, 274784U);
  EXPECT_EQ(model.directory.tensors()[0].name, "output.weight");
  EXPECT_EQ(model.directory.tensors()[0].shard, 1);
  // 1,622 bytes of header, padded to 32.
  EXPECT_EQ(model.directory.tensors()[0].offset, 1632U);
}

TEST(OpenModel, FromAnyShardOrTheFolder) {
  expect_demo_model(open_model(kDemo + "-00001-of-00005.gguf"));
  expect_demo_model(open_model(kDemo + "-00004-of-00005.gguf"));
  expect_demo_model(open_model(SHOAL_TEST_MODELS));
}

TEST(OpenModel, SingleFile) {
  const ScratchFolder folder;
  const ModelFiles model = open_model(folder.write("one.gguf", tiny_model().bytes()));
  EXPECT_EQ(parse_model_config(model.metadata, model.directory).num_layers, 2);
  // A folder's vision encoder is not counted as a model.
  folder.write("mmproj-F16.gguf", "something else");
  EXPECT_EQ(open_verdict(folder.path()), "loads");
}

TEST(OpenModel, FolderWithSeveralModelsIsAMistakeOfTheCommandLine) {
  const ScratchFolder folder;
  EXPECT_THAT(open_verdict(folder.path()), HasSubstr("holds no .gguf file"));
  folder.write("a.gguf", tiny_model().bytes());
  folder.write("b.gguf", tiny_model().bytes());
  try {
    open_model(folder.path());
    ADD_FAILURE() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("holds 2 models"));
  }
}

TEST(OpenModel, MissingShards) {
  const ScratchFolder folder;
  const auto copy = [&](int number) {
    const std::string name = "-0000" + std::to_string(number) + "-of-00005.gguf";
    std::filesystem::create_symlink(std::filesystem::absolute(kDemo + name),
                                    folder.path() + "/m" + name);
  };
  for (const int number : {2, 4, 5}) copy(number);
  EXPECT_EQ(open_verdict(folder.path() + "/m-00002-of-00005.gguf"),
            "error[GGUF-79]: " + folder.path() +
                "/m-00001-of-00005.gguf: byte 0: shard 1 of 5 is missing: "
                "'m-00001-of-00005.gguf' (it holds the metadata)");
  copy(1);
  EXPECT_EQ(open_verdict(folder.path()),
            "error[GGUF-78]: " + folder.path() +
                "/m-00003-of-00005.gguf: byte 0: shard 3 of 5 is missing: "
                "'m-00003-of-00005.gguf'");
  copy(3);
  EXPECT_EQ(open_verdict(folder.path()), "loads");
}

TEST(OpenModel, FilesThatCannotBeRead) {
  const ScratchFolder folder;
  EXPECT_THAT(open_verdict(folder.path() + "/none.gguf"), EndsWith("No such file or directory"));
  EXPECT_THAT(open_verdict(folder.path() + "/none-00001-of-00002.gguf"),
              EndsWith("No such file or directory"));
  EXPECT_THAT(open_verdict(folder.write("empty.gguf", "")),
              EndsWith("file is empty; a GGUF header needs 24 bytes"));
  EXPECT_THAT(open_verdict("/dev/null"), EndsWith("'/dev/null' is not a regular file"));

  const std::string fifo = folder.path() + "/fifo.gguf";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(open_verdict(fifo), EndsWith("is not a regular file"));

  const std::string loop = folder.path() + "/loop.gguf";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_THAT(open_verdict(loop), HasSubstr("error[GGUF-88]"));

  const std::string cut = tiny_model().bytes();
  EXPECT_THAT(open_verdict(folder.write("cut.gguf", cut.substr(0, cut.size() - 1))),
              EndsWith("the file is cut short"));
}

TEST(OpenModel, FileWithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads files without permission";
  const ScratchFolder folder;
  const std::string secret = folder.write("secret.gguf", tiny_model().bytes());
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  EXPECT_THAT(open_verdict(secret), EndsWith("Permission denied"));
}

TEST(MappedFile, ReadingBeyondAShrunkenFileIsRefused) {
  const ScratchFolder folder;
  const std::string path = folder.write("f", std::string(10000, 'x'));
  const MappedFile file = MappedFile::open(path);
  std::filesystem::resize_file(path, 5000);
  std::vector<std::byte> out(8000);
  EXPECT_EQ(verdict([&] { file.read_into(0, out); }),
            "error[GGUF-69]: " + path +
                ": byte 5000: file ends here but had 10000 bytes when it was opened");
}

}  // namespace
}  // namespace shoal::loader::testing
