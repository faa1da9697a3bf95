// Every bad file ends as one line with its code, on the path that the commands take: open the set,
// read the configuration, the vocabulary and the template. No case takes more than 64 MiB above
// what the process had, nor a second of the processor's time.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <fstream>
#include <set>

#include "launch/open_served_model.h"
#include "launch/program.h"
#include "loader/format/split_set.h"
#include "runtime/coordinator/served_model.h"
#include "tests/unit/bad_files/bad_case.h"
#include "tests/unit/bad_files/shard_set.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;  // which multiplies memory and time
#else
constexpr bool kSanitized = false;
#endif
constexpr long kMaxGrowthKib = 64 << 10;
constexpr double kMaxSeconds = 1;

struct Outcome {
  int code = 0;
  std::string line;  // all of stderr
  double cpu_seconds = 0;
  long growth_kib = 0;
};

// The largest resident size since the last reset, or -1 where the kernel does not say.
long peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
  return -1;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

double cpu_now() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Outcome open_as_a_command(const std::string& path) {
  Outcome outcome;
  reset_peak();
  const long before = peak_kib();
  const double began = cpu_now();
  ::testing::internal::CaptureStderr();
  outcome.code = launch::run_program([&] {
    launch::open_served_model(path);
    return 0;
  });
  outcome.line = ::testing::internal::GetCapturedStderr();
  outcome.cpu_seconds = cpu_now() - began;
  outcome.growth_kib = peak_kib() - before;
  return outcome;
}

void expect_within_bounds(const Outcome& outcome, const std::string& name) {
  if (kSanitized) return;
  EXPECT_LT(outcome.growth_kib, kMaxGrowthKib) << name;
  EXPECT_LT(outcome.cpu_seconds, kMaxSeconds) << name;
}

TEST(BadFiles, TheSetItselfIsGood) {
  const ScratchFolder folder;
  EXPECT_EQ(open_as_a_command(write_set(folder, set_bytes(valid_set()))).code, 0);
}

TEST(BadFiles, EachIsRefusedInItsWords) {
  std::set<int> rows;
  int count = 0;
  double slowest = 0;
  long largest = 0;
  for (const BadCase& bad : bad_cases()) {
    Shards shards = valid_set();
    if (bad.edit) bad.edit(shards);
    Bytes bytes = set_bytes(shards);
    if (bad.spoil) bad.spoil(bytes);
    const ScratchFolder folder;
    const std::string path = write_set(folder, bytes);
    bytes = {};
    const Outcome outcome = open_as_a_command(path);
    const std::string name = "row " + std::to_string(bad.row) + ", " + bad.name;
    EXPECT_EQ(outcome.code, 3) << name << ": " << outcome.line;
    const std::string expected = refusal_line(bad.refusal, folder.path());
    const std::string said = without_byte(outcome.line);
    // A refusal of the template is the template engine's text, which has tests of its own.
    if (bad.row == 50)  // ends with what the parser met
      EXPECT_TRUE(said.starts_with(expected)) << name << ": " << said;
    else
      EXPECT_EQ(said, expected + "\n") << name;
    EXPECT_EQ(std::count(outcome.line.begin(), outcome.line.end(), '\n'), 1) << name;
    expect_within_bounds(outcome, name);
    rows.insert(bad.row);
    ++count;
    slowest = std::max(slowest, outcome.cpu_seconds);
    largest = std::max(largest, outcome.growth_kib);
  }
  std::printf("bad files: %d of %zu kinds, all refused; slowest %.0f ms of CPU, largest %ld KiB\n",
              count,
              rows.size(),
              1e3 * slowest,
              largest);
}

TEST(BadFiles, MissingShardsAreNamed) {
  for (const auto& [gone, refusal] : std::vector<std::pair<int, std::string>>{
           {2, "GGUF-78 2: shard 2 of 3 is missing: 'm-00002-of-00003.gguf'"},
           {1,
            "GGUF-79 1: shard 1 of 3 is missing: 'm-00001-of-00003.gguf' (it holds the "
            "metadata)"}}) {
    const ScratchFolder folder;
    write_set(folder, set_bytes(valid_set()));
    std::filesystem::remove(folder.path() + "/" + set_file_name(gone));
    // From any shard that is there.
    const Outcome outcome = open_as_a_command(folder.path() + "/" + set_file_name(3));
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(without_byte(outcome.line), refusal_line(refusal, folder.path()) + "\n");
  }
  const ScratchFolder folder;
  const std::string name = folder.path() + "/m-00001-of-65535.gguf";
  folder.write("m-00001-of-65535.gguf", valid_set()[0].bytes());
  const Outcome outcome = open_as_a_command(name);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.line.find("shard 2 of 65535 is missing"), std::string::npos) << outcome.line;
  expect_within_bounds(outcome, "65535 shards");
}

// Every length that cuts the header, and a thousand that cut the tensor data.
TEST(BadFiles, CutAtEachByteOfTheHeader) {
  const Shards shards = valid_set();
  const Bytes whole = set_bytes(shards);
  int count = 0;
  for (size_t file = 0; file < whole.size(); ++file) {
    const ScratchFolder folder;
    const std::string path = write_set(folder, whole);
    const std::string victim = folder.path() + "/" + set_file_name(static_cast<int>(file) + 1);
    // The last tensor's padding is not needed.
    const size_t step = 1 + whole[file].size() / 1000;
    const size_t header = shards[file].header().size();
    for (size_t size = whole[file].size() - 32; size > 0; size -= size > header + step ? step : 1) {
      std::filesystem::resize_file(victim, size);
      const std::string said = verdict([&] { launch::open_served_model(path); });
      ASSERT_TRUE(said.starts_with("error[GGUF-"))
          << "shard " << file + 1 << " cut at " << size << ": " << said;
      ASSERT_EQ(said.find('\n'), std::string::npos) << size;
      ++count;
    }
  }
  std::printf("bad files: %d cut ones, all refused\n", count);
}

// What open_served_model() does, without files: there are a hundred thousand of them.
std::string verdict_of(const Bytes& files) {
  return verdict([&] {
    std::vector<ShardHeader> headers;
    for (size_t i = 0; i < files.size(); ++i)
      headers.push_back(parse_shard(as_file(files[i]), set_file_name(static_cast<int>(i) + 1)));
    ParsedModel model = join_shards(std::move(headers));
    coordinator::make_served_model(model.metadata, std::move(model.directory), "");
  });
}

TEST(BadFiles, EveryBitOfTheFirst4KiB) {
  Bytes files = set_bytes(valid_set());
  ASSERT_EQ(verdict_of(files), "loads");
  int refused = 0, loaded = 0;
  for (std::string& file : files) {
    for (size_t bit = 0; bit < 8 * std::min<size_t>(file.size(), 4096); ++bit) {
      const char kept = file[bit / 8];
      file[bit / 8] = static_cast<char>(kept ^ (1 << bit % 8));
      const std::string said = verdict_of(files);
      ASSERT_TRUE(said == "loads" || said.starts_with("error[GGUF-")) << bit << ": " << said;
      ASSERT_EQ(said.find('\n'), std::string::npos) << bit;
      ++(said == "loads" ? loaded : refused);
      file[bit / 8] = kept;
    }
  }
  EXPECT_GT(refused, loaded);
  std::printf("bad files: %d flipped bits refused, %d harmless\n", refused, loaded);
}

}  // namespace
}  // namespace shoal::loader::testing
