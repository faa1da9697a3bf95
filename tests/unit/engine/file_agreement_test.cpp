#include "runtime/engine/file_agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/loader/scratch_folder.h"
#include "tests/unit/loader/tiny_model.h"
#include "transport/loopback_comm.h"

namespace shoal::engine {
namespace {

using loader::testing::GgufFile;
using loader::testing::ScratchFolder;

// What each rank says; "" where it goes on.
std::vector<std::string> agree(const std::vector<FileFinding>& findings) {
  auto comms = transport::make_loopback_world(static_cast<int>(findings.size()));
  std::vector<std::string> said(findings.size());
  std::vector<std::thread> ranks;
  for (size_t rank = 0; rank < findings.size(); ++rank)
    ranks.emplace_back([&, rank] {
      try {
        agree_on_files(*comms[rank], findings[rank], Deadline::after(std::chrono::seconds(20)));
      } catch (const SharedVerdict& verdict) {
        said[rank] = verdict.what();
      }
    });
  for (std::thread& rank : ranks) rank.join();
  return said;
}

TEST(FileAgreement, OneVerdictForAll) {
  const FileFinding good{.host = "a", .files = {{10, 20, 30}, {11, 21, 31}}};
  FileFinding bad{.host = "b", .refusal = "error[GGUF-69]: m: byte 5: cut"};
  FileFinding other = good;
  other.files[1].sample_hash = 99;
  FileFinding fewer = good;
  fewer.files.pop_back();
  const std::vector<std::pair<std::vector<FileFinding>, std::string>> cases = {
      {{good}, ""},
      {{good, good, good}, ""},
      {{bad}, bad.refusal},
      {{bad, bad, bad}, bad.refusal},
      {{good, bad, good}, bad.refusal + " (rank 1)"},
      {{bad, good, bad}, bad.refusal + " (ranks 0, 2)"},
      {{good, good, other},
       "error[GGUF-91]: rank 2 has another shard 2 than rank 0; give every node the same files"},
      {{good, other, fewer},
       "error[GGUF-91]: rank 2 has another shard 1 than rank 0; give every node the same files"},
      {{other, good, good},
       "error[GGUF-91]: ranks 1, 2 have another shard 2 than rank 0; give every node the same "
       "files"},
  };
  for (const auto& [findings, verdict] : cases)
    EXPECT_THAT(agree(findings), ::testing::Each(verdict));
}

// Equal sizes, equal headers, other weights: another fine-tune of the same model.
TEST(FileAgreement, AnotherFineTuneIsSeen) {
  const ScratchFolder left, right;
  const GgufFile model = loader::testing::tiny_model();
  std::string bytes = model.bytes();
  const std::string here = left.write("m.gguf", bytes);
  const FileFinding same = find_files(here, "a");
  EXPECT_THAT(agree({same, find_files(right.write("m.gguf", bytes), "b")}), ::testing::Each(""));
  const loader::ModelFiles files = loader::open_model(here);
  bytes[files.directory.at("token_embd.weight").offset + 17] ^= 1;
  const FileFinding changed = find_files(right.write("m.gguf", bytes), "b");
  EXPECT_EQ(changed.files[0].header_hash, same.files[0].header_hash);
  EXPECT_THAT(agree({same, changed}), ::testing::Each(::testing::HasSubstr("another shard 1")));
}

}  // namespace
}  // namespace shoal::engine
