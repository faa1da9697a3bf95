#include "loader/io/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "loader/io/file_sums.h"
#include "tests/unit/loader/scratch_folder.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The tiny model over two shards whose tensors hold bytes that tell where they are.
std::vector<std::string> two_shards(unsigned char salt = 0) {
  std::vector<GgufFile> set(2);
  add_tiny_metadata(set[0]);
  add_tiny_vocabulary(set[0]);
  const GgufFile whole = tiny_model();
  set[0].tensors.assign(whole.tensors.begin(), whole.tensors.begin() + 20);
  set[1].tensors.assign(whole.tensors.begin() + 20, whole.tensors.end());
  std::vector<std::string> out;
  for (uint16_t i = 0; i < 2; ++i) {
    set[i].u16("split.no", i);
    set[i].u16("split.count", 2);
    set[i].i32("split.tensors.count", 38);
    std::string bytes = set[i].bytes();
    for (size_t at = set[i].header().size() + 32; at < bytes.size(); ++at)
      bytes[at] = static_cast<char>((at * 7 + salt) % 100);
    out.push_back(std::move(bytes));
  }
  return out;
}

std::string write_model(const ScratchFolder& folder, const std::vector<std::string>& shards) {
  folder.write("m-00002-of-00002.gguf", shards[1]);
  return folder.write("m-00001-of-00002.gguf", shards[0]);
}

Manifest sums_of(const std::string& path) {
  return sum_files(open_model(path), {.num_threads = 2}).manifest;
}

TEST(Manifest, SumsAreThoseOfTheTools) {
  const ScratchFolder folder;
  const std::string path = write_model(folder, two_shards());
  const Manifest manifest = sums_of(path);
  ASSERT_EQ(manifest.files.size(), 2U);
  for (const FileSum& file : manifest.files) {
    const std::string check = "cd '" + folder.path() + "' && echo '" + file.sha256 + "  " +
                              file.name + "' | sha256sum -c --status";
    EXPECT_EQ(std::system(check.c_str()), 0) << file.name;
  }
  EXPECT_EQ(manifest.files[0].tensors.size() + manifest.files[1].tensors.size(), 38U);
}

TEST(Manifest, WrittenAndReadAgain) {
  const ScratchFolder folder;
  const std::string path = write_model(folder, two_shards());
  const ModelFiles files = open_model(path);
  EXPECT_EQ(manifest_path(files), folder.path() + "/m.manifest.json");
  EXPECT_FALSE(read_manifest(manifest_path(files)));
  const Manifest manifest = sums_of(path);
  write_manifest(manifest, manifest_path(files));
  const Manifest again = *read_manifest(manifest_path(files));
  ASSERT_EQ(again.files.size(), 2U);
  EXPECT_EQ(again.files[1].tensors, manifest.files[1].tensors);
  EXPECT_EQ(again.files[0].sample_hash, manifest.files[0].sample_hash);
  EXPECT_THAT(differences(manifest, again, files), IsEmpty());
  EXPECT_EQ(verdict([&] { check_against_manifest(files); }), "loads");
}

// One byte in the middle of one tensor: outside the samples, so only reading all of it shows it.
TEST(Manifest, OneChangedByteIsNamed) {
  const ScratchFolder folder;
  std::vector<std::string> shards = two_shards();
  const std::string path = write_model(folder, shards);
  const Manifest good = sums_of(path);
  const TensorInfo tensor = open_model(path).directory.at("blk.1.ffn_down_exps.weight");
  shards[1][tensor.offset + 200] ^= 1;
  write_model(folder, shards);
  const ModelFiles files = open_model(path);
  const auto said = differences(sums_of(path), good, files);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0],
              HasSubstr("error[GGUF-86]: " + folder.path() + "/m-00002-of-00002.gguf: byte " +
                        std::to_string(tensor.offset)));
  EXPECT_THAT(said[0],
              HasSubstr("tensor 'blk.1.ffn_down_exps.weight' does not match the manifest"));
}

TEST(Manifest, AShardOfAnotherFineTuneIsSeenAtTheStart) {
  const ScratchFolder folder;
  const std::string path = write_model(folder, two_shards());
  write_manifest(sums_of(path), manifest_path(open_model(path)));
  // The same header and size, other weights.
  folder.write("m-00002-of-00002.gguf", two_shards(50)[1]);
  EXPECT_THAT(verdict([&] { check_against_manifest(open_model(path)); }),
              HasSubstr("shard 2 does not match the manifest (samples "));
}

TEST(Manifest, AShardOfAnotherQuantIsSeenAtTheStart) {
  const ScratchFolder folder;
  const std::string path = write_model(folder, two_shards());
  Manifest manifest = sums_of(path);
  manifest.files[1].tensors[3].type = "q4_K";
  write_manifest(manifest, manifest_path(open_model(path)));
  EXPECT_THAT(
      verdict([&] { check_against_manifest(open_model(path)); }),
      ::testing::AllOf(HasSubstr("error[GGUF-85]"), EndsWith("' is f32, the manifest says q4_K")));
}

TEST(Manifest, BadManifestsAreRefused) {
  const ScratchFolder folder;
  const std::string good =
      R"({"format":"shoal manifest","version":1,"files":[{"name":"a","bytes":1,"sha256":"",)"
      R"("header":"1f","samples":"0","tensors":[]}]})";
  EXPECT_EQ(read_manifest(folder.write("good", good))->files[0].header_hash, 0x1fU);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{good, ""},
                                                        {good, "[1]"},
                                                        {"shoal manifest", "x"},
                                                        {"\"version\":1", "\"version\":2"},
                                                        {"\"bytes\":1", "\"bytes\":\"1\""},
                                                        {"1f", "1g"},
                                                        {"1f", "11112222333344445"},
                                                        {"1f", ""},
                                                        {"\"tensors\":[]", "\"tensors\":[7]"}}) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    const std::string said = verdict([&] { read_manifest(folder.write("bad", text)); });
    EXPECT_THAT(said,
                HasSubstr("error[GGUF-86]: " + folder.path() + "/bad: byte 0: not a manifest: "))
        << text;
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(FileSums, ScalesThatAreNoNumbersAndZeros) {
  const ScratchFolder folder;
  std::vector<std::string> shards = two_shards();
  const std::string path = write_model(folder, shards);
  const ModelFiles before = open_model(path);
  const uint32_t nan = 0x7fc00000;
  const TensorInfo& bad = before.directory.at("blk.0.ffn_up_exps.weight");
  std::memcpy(shards[1].data() + bad.offset + 17 * 4, &nan, 4);
  const TensorInfo& zero = before.directory.at("output.weight");
  std::memset(shards[0].data() + zero.offset, 0, zero.bytes);
  write_model(folder, shards);
  const ModelSums sums = sum_files(open_model(path), {});
  ASSERT_EQ(sums.faults.size(), 1U);
  EXPECT_EQ(sums.faults[0],
            "error[GGUF-73]: " + folder.path() + "/m-00002-of-00002.gguf: byte " +
                std::to_string(bad.offset + 68) +
                ": tensor 'blk.0.ffn_up_exps.weight' value 17 is NaN");
  EXPECT_THAT(sums.zero_tensors, ElementsAre("output.weight"));
}

}  // namespace
}  // namespace shoal::loader::testing
