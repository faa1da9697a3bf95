#include "loader/format/split_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

// A tiny model over three shards, the first without tensors, as the large public files are.
std::vector<GgufFile> tiny_set() {
  std::vector<GgufFile> set(3);
  add_tiny_metadata(set[0]);
  GgufFile whole = tiny_model();
  const auto half = whole.tensors.begin() + 20;
  set[1].tensors.assign(whole.tensors.begin(), half);
  set[2].tensors.assign(half, whole.tensors.end());
  for (uint16_t i = 0; i < 3; ++i) {
    set[i].u16("split.no", i);
    set[i].u16("split.count", 3);
    set[i].i32("split.tensors.count", 38);
  }
  return set;
}

ParsedModel join(const std::vector<GgufFile>& set) {
  std::vector<ShardHeader> headers;
  for (size_t i = 0; i < set.size(); ++i) {
    const std::string bytes = set[i].bytes();
    headers.push_back(parse_shard(as_file(bytes), split_path("dir/m", static_cast<int>(i) + 1, 3)));
  }
  return join_shards(std::move(headers));
}

template <class Change>
std::string verdict_of(Change&& change) {
  std::vector<GgufFile> set = tiny_set();
  change(set);
  return verdict([&] { join(set); });
}

TEST(SplitName, ParsesAndBuilds) {
  const auto name = parse_split_name("dir/Model-Q4-00003-of-00012.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "dir/Model-Q4");
  EXPECT_EQ(name->number, 3);
  EXPECT_EQ(name->count, 12);
  EXPECT_EQ(split_path("dir/Model-Q4", 3, 12), "dir/Model-Q4-00003-of-00012.gguf");
  EXPECT_THAT(split_paths("m-00002-of-00002.gguf"),
              ::testing::ElementsAre("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"));
  EXPECT_THAT(split_paths("model.gguf"), ::testing::ElementsAre("model.gguf"));
  for (const char* other : {"m-00003-of-00002.gguf",
                            "m-00000-of-00002.gguf",
                            "m-0001-of-00002.gguf",
                            "m-0000x-of-00002.gguf",
                            "m-00001-of-00002.bin",
                            "-00001-of-00002.gguf",
                            ""})
    EXPECT_FALSE(parse_split_name(other)) << other;
}

TEST(SplitSet, JoinsShards) {
  const ParsedModel model = join(tiny_set());
  EXPECT_EQ(model.directory.shards().size(), 3U);
  EXPECT_EQ(model.directory.tensors().size(), 38U);
  EXPECT_EQ(model.directory.at("token_embd.weight").shard, 1);
  EXPECT_EQ(model.directory.at("blk.1.ffn_down_shexp.weight").shard, 2);
  EXPECT_EQ(model.directory.find("nothing"), -1);
  EXPECT_EQ(model.metadata.get<std::string>("general.name"), "tiny");
  EXPECT_THAT(verdict([&] { model.directory.at("nothing"); }),
              ::testing::EndsWith("tensor 'nothing' is missing"));
}

TEST(SplitSet, FingerprintDependsOnEveryShard) {
  std::vector<GgufFile> set = tiny_set();
  const uint64_t fingerprint = join(set).directory.fingerprint();
  EXPECT_EQ(join(set).directory.fingerprint(), fingerprint);
  set[2].string("note", "another download");
  EXPECT_NE(join(set).directory.fingerprint(), fingerprint);
}

TEST(SplitSet, RefusesSetsThatDisagree) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {verdict_of([](auto& set) {
         set[1].tensors.push_back({"blk.1.ffn_down_shexp.weight", {6, 8}});
         for (GgufFile& file : set) file.i32("split.tensors.count", 39);
       }),
       "56]: dir/m-00003-of-00003.gguf: tensor 'blk.1.ffn_down_shexp.weight' is in "
       "shard 2 and shard 3"},
      {verdict_of([](auto& set) { set[2].u16("split.count", 7); }),
       "80]: dir/m-00003-of-00003.gguf: shard 3 says 7 shards, shard 1 says 3"},
      {verdict_of([](auto& set) { set[0].u16("split.count", 8); }),
       "80]: dir/m-00001-of-00003.gguf: file names say 3 shards, shard 1 says 8"},
      {verdict_of([](auto& set) { std::swap(set[1], set[2]); }),
       "81]: dir/m-00002-of-00003.gguf: 'm-00002-of-00003.gguf' contains shard 3"},
      {verdict_of([](auto& set) { set[1].string("split.no", "1"); }),
       "82]: dir/m-00002-of-00003.gguf: key 'split.no' must be u16, found string"},
      {verdict_of([](auto& set) { set[1].erase("split.no"); }),
       "29]: dir/m-00002-of-00003.gguf: required key 'split.no' is missing"},
      {verdict_of([](auto& set) { set[0].u16("split.count", 0); }),
       "83]: dir/m-00001-of-00003.gguf: split.count 0; at least 1 is required"},
      {verdict_of([](auto& set) { set[0].i32("split.tensors.count", 1200); }),
       "84]: dir/m-00001-of-00003.gguf: model says 1,200 tensors, shards hold 38"},
      {verdict_of([](auto& set) { set[0].i32("split.tensors.count", -1); }),
       "84]: dir/m-00001-of-00003.gguf: model says -1 tensors, shards hold 38"},
      {verdict_of([](auto& set) { set.resize(1); }),
       "81]: dir/m-00001-of-00003.gguf: 'm-00001-of-00003.gguf' is one of 3 shards by "
       "its split.count, but its name does not end in -00001-of-00003.gguf"},
  };
  for (const auto& [got, refusal] : cases) EXPECT_EQ(without_byte(got), "error[GGUF-" + refusal);
}

}  // namespace
}  // namespace shoal::loader::testing
