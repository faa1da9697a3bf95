#include "loader/io/weight_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/loader/scratch_folder.h"
#include "tests/unit/loader/tiny_model.h"

namespace shoal::loader::testing {
namespace {

const std::string kDemo = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";
constexpr int kDemoExperts = 16;
// One expert of the demo model over all layers, from its header: seven layers with gate and up in
// Q4_K (256 rows of 144 bytes each) and down in Q5_K (256 rows of 176), one with Q5_K and Q6_K
// (210).
constexpr uint64_t kDemoExpertBytes = 7 * 256 * (144 + 144 + 176) + 256 * (176 + 176 + 210);
// All tensors, less 16 experts.
constexpr uint64_t kDemoDenseBytes = 28885952 - kDemoExperts * kDemoExpertBytes;

// Experts are spread as evenly as whole experts allow, the first ranks taking one more.
std::pair<int, int> experts_of(int rank, int ep) {
  const int each = kDemoExperts / ep;
  const int rest = kDemoExperts % ep;
  const int begin = rank * each + std::min(rank, rest);
  return {begin, begin + each + (rank < rest ? 1 : 0)};
}

void read_share(const ModelFiles& model, WeightReader& reader, int rank, int ep) {
  const auto [begin, end] = experts_of(rank, ep);
  for (const TensorInfo& tensor : model.directory.tensors()) {
    if (tensor_class(tensor) == TensorClass::kRoutedExpert)
      reader.read(tensor, begin, end);
    else
      reader.read(tensor);
  }
}

TEST(ReadLedger, EachRankReadsItsShareAndNothingElse) {
  const ModelFiles model = open_model(kDemo);
  for (const int ep : {1, 2, 3}) {
    uint64_t routed = 0;
    ReadLedger together;
    for (int rank = 0; rank < ep; ++rank) {
      WeightReader reader(model, ReadMode::kMapped);
      read_share(model, reader, rank, ep);
      const auto [begin, end] = experts_of(rank, ep);
      const uint64_t expected = static_cast<uint64_t>(end - begin) * kDemoExpertBytes;
      EXPECT_EQ(reader.ledger().bytes(TensorClass::kRoutedExpert), expected) << rank << "/" << ep;
      EXPECT_EQ(reader.ledger().total_bytes(), kDemoDenseBytes + expected) << rank << "/" << ep;
      routed += expected;
      // Two ranks that owned the same expert would overlap here, which record() asserts against.
      for (const TensorInfo& tensor : model.directory.tensors()) {
        if (tensor_class(tensor) != TensorClass::kRoutedExpert) continue;
        EXPECT_TRUE(together.record(outer_range(tensor, begin, end), TensorClass::kRoutedExpert));
      }
    }
    EXPECT_EQ(routed, kDemoExperts * kDemoExpertBytes);
    EXPECT_EQ(together.total_bytes(), routed);
  }
}

TEST(ReadLedger, ClassesOfTheDemoModel) {
  const ModelFiles model = open_model(kDemo);
  WeightReader reader(model, ReadMode::kMapped);
  read_share(model, reader, 0, 1);
  const ReadLedger& ledger = reader.ledger();
  // Q8_0 rows of 256 take 272 bytes: 8,448 of them twice.
  EXPECT_EQ(ledger.bytes(TensorClass::kEmbedding), 8448U * 272);
  EXPECT_EQ(ledger.bytes(TensorClass::kLmHead), 8448U * 272);
  EXPECT_EQ(ledger.bytes(TensorClass::kRouter), 8U * 256 * 16 * 4);
  // Two norms of 256 a layer, two of 256 in each of two attention layers, and the last one.
  EXPECT_EQ(ledger.bytes(TensorClass::kNorm), (8U * 2 + 2 * 2 + 1) * 256 * 4);
  EXPECT_EQ(ledger.bytes(TensorClass::kOther), 0U);
}

TEST(ReadLedger, TheSameRangeCountsOnce) {
  const ModelFiles model = open_model(kDemo);
  for (const ReadMode mode : {ReadMode::kMapped, ReadMode::kCopied}) {
    WeightReader reader(model, mode);
    const TensorInfo& embedding = model.directory.at("token_embd.weight");
    const auto first = reader.read(embedding);
    const auto second = reader.read(embedding);
    EXPECT_EQ(first.data(), second.data());
    EXPECT_EQ(reader.ledger().total_bytes(), embedding.bytes);
  }
}

TEST(WeightReader, CopiedAndMappedBytesAreEqual) {
  const ModelFiles model = open_model(kDemo);
  WeightReader mapped(model, ReadMode::kMapped);
  WeightReader copied(model, ReadMode::kCopied);
  const TensorInfo& tensor = model.directory.at("blk.3.ffn_up_exps.weight");
  const auto left = mapped.read(tensor, 5, 7);
  const auto right = copied.read(tensor, 5, 7);
  ASSERT_EQ(left.size(), 2U * 256 * 144);
  ASSERT_EQ(right.size(), left.size());
  EXPECT_EQ(std::memcmp(left.data(), right.data(), left.size()), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(right.data()) % 64, 0U);
  EXPECT_TRUE(copied.read(tensor, 3, 3).empty());
}

// Experts of 8 MiB each in a file without data blocks; the rank touches two of eight. A fault may
// map a huge page around itself.
TEST(WeightReader, ExpertsOfOtherRanksStayOutOfTheProcess) {
  constexpr uint64_t kExpert = 8 << 20;
  constexpr uint64_t kFaultWindow = 2 << 20;
  GgufFile file;
  file.string("general.architecture", "any");
  file.tensors = {{"blk.0.ffn_up_exps.weight", {1024, 2048, 8}}};
  const ScratchFolder folder;
  const std::string path = folder.write("m.gguf", file.header());
  std::filesystem::resize_file(path, file.header().size() + 32 + 8 * kExpert);
  const ModelFiles model = open_model(path);
  const TensorInfo& tensor = model.directory.tensors()[0];
  ASSERT_EQ(tensor.bytes, 8 * kExpert);
  const MappedFile& shard = model.files[0];
  if (!shard.resident_bytes(0, 1)) GTEST_SKIP() << "the kernel does not show its page tables";

  WeightReader reader(model, ReadMode::kMapped);
  const auto owned = reader.read(tensor, 3, 5);
  unsigned sum = 0;
  for (size_t i = 0; i < owned.size(); i += 512) sum += static_cast<unsigned>(owned[i]);
  sum += static_cast<unsigned>(owned.back());  // the last page may hold fewer than 512 bytes
  EXPECT_EQ(sum, 0U);
  EXPECT_EQ(shard.resident_bytes(tensor.offset + 3 * kExpert, 2 * kExpert), 2 * kExpert);
  const auto before = shard.resident_bytes(tensor.offset, 3 * kExpert);
  const auto after = shard.resident_bytes(tensor.offset + 5 * kExpert, 3 * kExpert);
  // The header's page brings its own window.
  EXPECT_LE(*before, 2 * kFaultWindow);
  EXPECT_LE(*after, kFaultWindow);
}

}  // namespace
}  // namespace shoal::loader::testing
