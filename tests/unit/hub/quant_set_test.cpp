#include "loader/hub/quant_set.h"

#include <gmock/gmock.h>

#include "runtime/base/error.h"

namespace shoal::hub {
namespace {

RemoteFile file(const std::string& path, uint64_t bytes = 10) {
  return {path, bytes, std::string(64, 'a')};
}

// As the two large publishers lay out their repositories.
const std::vector<RemoteFile> kRepository = {
    file("BF16/M-A3B-BF16-00002-of-00002.gguf"),
    file("BF16/M-A3B-BF16-00001-of-00002.gguf"),
    file("UD-Q3_K_XL/M-A3B-UD-Q3_K_XL-00001-of-00002.gguf"),
    file("UD-Q3_K_XL/M-A3B-UD-Q3_K_XL-00002-of-00002.gguf"),
    file("owner_M-A3B-Q4_K_M/owner_M-A3B-Q4_K_M-00001-of-00001.gguf"),
    file("M-A3B-Q3_K_XL.gguf"),
    file("M-A3B-MXFP4_MOE.gguf"),
    file("M.IQ2_XXS.gguf"),
    file("mmproj-BF16.gguf"),
    file("imatrix_unsloth.gguf"),
};
const RepoName kRepo = parse_repo_name("owner/M");

QuantSet choose(const std::string& quant,
                const std::vector<RemoteFile>& files = kRepository,
                const std::string& path = "") {
  RepoName repo = kRepo;
  repo.quant = quant;
  return choose_quant_set(repo, path, files);
}

TEST(QuantLabel, IsTheEndOfTheName) {
  EXPECT_EQ(quant_label("Qwen3.5-397B-A17B-UD-Q4_K_XL"), "UD-Q4_K_XL");
  EXPECT_EQ(quant_label("Qwen3.5-397B-A17B-Q4_K_M"), "Q4_K_M");
  EXPECT_EQ(quant_label("model.IQ1_S"), "IQ1_S");
  EXPECT_EQ(quant_label("M-MXFP4_MOE"), "MXFP4_MOE");
  EXPECT_EQ(quant_label("bf16"), "bf16");
  EXPECT_EQ(quant_label("UD-TQ1_0"), "UD-TQ1_0");
  EXPECT_EQ(quant_label("Qwen3.5-397B-A17B"), "");
  EXPECT_EQ(quant_label(""), "");
}

TEST(QuantSets, AreFoundInFoldersAndAtTheTop) {
  std::vector<std::string> labels;
  for (const QuantSet& set : find_quant_sets(kRepository)) labels.push_back(set.label);
  EXPECT_THAT(
      labels,
      testing::ElementsAre("BF16", "UD-Q3_K_XL", "Q4_K_M", "Q3_K_XL", "MXFP4_MOE", "IQ2_XXS"));
}

TEST(QuantSets, HaveTheirShardsInOrder) {
  const QuantSet set = choose("bf16");
  EXPECT_EQ(set.files[0].path, "BF16/M-A3B-BF16-00001-of-00002.gguf");
  EXPECT_EQ(set.bytes(), 20U);
}

TEST(ChooseQuantSet, TakesLabelsAndFoldersWhateverTheCase) {
  EXPECT_EQ(choose("Q3_K_XL").files[0].path, "M-A3B-Q3_K_XL.gguf");
  EXPECT_EQ(choose("ud-q3_k_xl").files.size(), 2U);
  EXPECT_EQ(choose("owner_M-A3B-Q4_K_M").label, "Q4_K_M");
  EXPECT_EQ(choose("").label, "Q4_K_M");
  EXPECT_EQ(choose("", kRepository, "M.IQ2_XXS.gguf").label, "IQ2_XXS");
}

TEST(ChooseQuantSet, SaysWhatThereIs) {
  try {
    choose("Q5_K");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("UD-Q3_K_XL (20 B)"));
  }
  EXPECT_THROW(choose("", {file("M-Q5_K.gguf"), file("M-Q6_K.gguf")}), Error);
  EXPECT_THROW(choose("Q8_0", {file("a/M-Q8_0.gguf"), file("b/M-Q8_0.gguf")}), Error);
  EXPECT_THROW(choose("", {}), Error);
}

TEST(ChooseQuantSet, RefusesHalfASet) {
  EXPECT_THROW(choose("", {file("M-Q8_0-00001-of-00002.gguf")}), Error);
  EXPECT_THROW(choose("", {{"M-Q8_0.gguf", 10, ""}}), Error);
}

TEST(QuantSet, FingerprintFollowsContentAndNotTheFolder) {
  const QuantSet a{"x", {file("a/M.gguf")}, 1};
  const QuantSet b{"x", {file("b/M.gguf")}, 1};
  const QuantSet c{"x", {file("a/M.gguf", 11)}, 1};
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
  EXPECT_NE(a.fingerprint(), c.fingerprint());
  EXPECT_EQ(a.fingerprint().size(), 12U);
}

}  // namespace
}  // namespace shoal::hub
