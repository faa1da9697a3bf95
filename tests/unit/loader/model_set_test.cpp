// The written models against the public files: sizes are those of the repositories' listings,
// headers what is left of them, parameters those of the family's table. The loader then reads what
// was written.
#include "tests/tools/model_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <stdexcept>

#include "loader/format/model_config.h"
#include "loader/format/vocab.h"
#include "loader/io/model_files.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::tools {
namespace {

uint64_t data_bytes(const std::vector<PlannedShard>& shards) {
  uint64_t bytes = 0;
  for (const PlannedShard& shard : shards)
    for (const LaidTensor& tensor : shard.tensors) bytes += tensor.bytes;
  return bytes;
}

std::map<DType, int> types_of(const std::vector<PlannedShard>& shards) {
  std::map<DType, int> counts;
  for (const PlannedShard& shard : shards)
    for (const LaidTensor& tensor : shard.tensors) ++counts[tensor.dtype];
  return counts;
}

struct PublicFile {
  const char* mix;
  uint64_t bytes;   // of all shards
  uint64_t header;  // what the tensors leave of it
  size_t shards;
};

TEST(ModelSet, TensorBytesOf397BAreThePublicOnes) {
  for (const PublicFile& file : {PublicFile{"UD-Q3_K_XL", 178'739'034'432, 11'013'440, 5},
                                 PublicFile{"UD-Q4_K_XL", 245'272'148'448, 11'013'600, 6},
                                 PublicFile{"MXFP4_MOE", 237'353'302'496, 11'013'600, 6},
                                 PublicFile{"Q8_0", 421'507'365'824, 11'014'080, 10},
                                 PublicFile{"BF16", 792'961'318'816, 11'015'072, 17}}) {
    const auto shards = plan_model_set({.shape = "397b", .mix = file.mix});
    EXPECT_EQ(data_bytes(shards), file.bytes - file.header) << file.mix;
    EXPECT_EQ(shards.size(), file.shards) << file.mix;
  }
  // Its types are not public: the size only has to be near UD-IQ2_XXS's 114.9 GB in 4 shards.
  const auto small = plan_model_set({.shape = "397b", .mix = "UD-IQ2_XXS"});
  EXPECT_NEAR(static_cast<double>(data_bytes(small)), 114.9e9, 2e9);
  EXPECT_EQ(small.size(), 4u);
}

TEST(ModelSet, TypesOfUdQ3AreThoseOfItsHeader) {
  const auto counts = types_of(plan_model_set({.shape = "397b", .mix = "UD-Q3_K_XL"}));
  using enum DType;
  EXPECT_THAT(counts,
              testing::UnorderedElementsAre(std::pair(kIQ3_XXS, 118),
                                            std::pair(kIQ4_XS, 61),
                                            std::pair(kQ8_0, 459),
                                            std::pair(kQ5_K, 1),
                                            std::pair(kQ6_K, 1),
                                            std::pair(kF32, 451),
                                            std::pair(kBF16, 7)));
}

TEST(ModelSet, ParametersAreTheFamilys) {
  const std::map<std::string, std::pair<int64_t, size_t>> wanted = {
      {"35b", {34'660'610'688, 733}},
      {"122b", {122'111'526'912, 879}},
      {"397b", {396'346'350'336, 1098}}};
  for (const auto& [shape, numbers] : wanted) {
    int64_t params = 0;
    size_t tensors = 0;
    for (const PlannedShard& shard : plan_model_set({.shape = shape, .mix = "BF16"}))
      for (const LaidTensor& tensor : shard.tensors) params += tensor.elements(), ++tensors;
    EXPECT_EQ(params, numbers.first) << shape;
    EXPECT_EQ(tensors, numbers.second) << shape;
  }
}

TEST(ModelSet, NamesAndShardsAreThePublicOnes) {
  const auto shards = plan_model_set({.shape = "397b", .mix = "UD-Q4_K_XL"});
  EXPECT_EQ(shards[0].file_name, "Qwen3.5-397B-A17B-UD-Q4_K_XL-00001-of-00006.gguf");
  EXPECT_TRUE(shards[0].tensors.empty());
  // Public headers hold 10 to 11 MB of vocabulary and template.
  EXPECT_NEAR(static_cast<double>(shards[0].bytes), 10.5e6, 1e6);
  EXPECT_EQ(shards[1].tensors[0].name, "output.weight");
  for (size_t i = 1; i < shards.size(); ++i) EXPECT_LE(shards[i].bytes, 50'000'100'000u);
  EXPECT_EQ(plan_model_set({.shape = "35b", .mix = "UD-Q4_K_XL"})[0].file_name,
            "Qwen3.5-35B-A3B-UD-Q4_K_XL.gguf");
}

// 245 GB that take a few megabytes, read by the loader like any other model.
TEST(ModelSet, ASparseSetIsAModel) {
  const loader::testing::ScratchFolder folder;
  const auto paths = write_model_set({.shape = "397b", .mix = "UD-Q4_K_XL"}, folder.path());
  uint64_t on_disk = 0, bytes = 0;
  for (const std::string& path : paths) {
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    on_disk += static_cast<uint64_t>(status.st_blocks) * 512;
    bytes += static_cast<uint64_t>(status.st_size);
  }
  EXPECT_LT(on_disk, 20u << 20);
  EXPECT_NEAR(static_cast<double>(bytes), 245.272e9, 2e6);

  const loader::ModelFiles files = loader::open_model(folder.path());
  const loader::ModelConfig config = loader::parse_model_config(files.metadata, files.directory);
  EXPECT_EQ(config.num_attention_layers(), 15);
  EXPECT_EQ(files.directory.total_bytes(), 245'272'148'448u - 11'013'600u);
  const loader::Vocab vocab = loader::parse_vocab(files.metadata);
  EXPECT_EQ(vocab.tokens.size(), 248'320u);
  EXPECT_EQ(vocab.merges.size(), 247'587u);
  EXPECT_EQ(vocab.tokens[248'046], "<|im_end|>");
  EXPECT_EQ(vocab.tokens[248'069], "</think>");
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ModelSet, RandomWeightsDependOnTheSeedAlone) {
  const loader::testing::ScratchFolder folder;
  const auto write = [&](const char* name, uint64_t seed, int threads) {
    std::string bytes;
    for (const std::string& path : write_model_set({.shape = "tiny",
                                   .mix = "UD-Q3_K_XL",
                                   .fill = Fill::kRandom,
                                   .seed = seed,
                                   .experts = 8,
                                   .shard_bytes = 2 << 20,
                                   .threads = threads},
                                                   folder.path() + "/" + name))
      bytes += bytes_of(path);
    return bytes;
  };
  const std::string one = write("a", 1, 1);
  EXPECT_EQ(one, write("b", 1, 3));
  EXPECT_NE(one, write("c", 2, 1));
  EXPECT_EQ(loader::open_model(folder.path() + "/a").directory.tensors().size(), 76u);
}

TEST(ModelSet, RefusesWhatItDoesNotKnow) {
  const auto refuses = [](const ModelSpec& spec, const char* why) {
    EXPECT_THAT([&] { plan_model_set(spec); },
                testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(why)));
  };
  refuses({.shape = "398b"}, "35b, 122b, 397b, tiny");
  refuses({.mix = "Q9"}, "UD-Q3_K_XL, UD-Q4_K_XL, MXFP4_MOE, Q8_0, BF16, UD-IQ2_XXS");
  refuses({.layers = 0}, "0 layers: at least 1");
  refuses({.vocab = 100}, "at least 289");
}

}  // namespace
}  // namespace shoal::tools
