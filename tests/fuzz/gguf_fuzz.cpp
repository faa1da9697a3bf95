// Feeds bytes to everything that reads a model's header. The only accepted outcomes are a loaded
// model and ModelFileError. Input: one file; a byte 0xff 'S' pair splits it into several shards.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/format/describe.h"
#include "loader/format/model_config.h"
#include "loader/format/split_set.h"
#include "loader/format/vocab.h"
#include "runtime/base/error.h"
#include "tests/unit/loader/tiny_model.h"

namespace {

using namespace shoal::loader;

constexpr std::string_view kShardEnd = "\xffS";
constexpr int kMaxShards = 4;

std::vector<std::string_view> split(std::string_view input) {
  std::vector<std::string_view> shards;
  while (static_cast<int>(shards.size()) + 1 < kMaxShards) {
    const size_t end = input.find(kShardEnd);
    if (end == std::string_view::npos) break;
    shards.push_back(input.substr(0, end));
    input.remove_prefix(end + kShardEnd.size());
  }
  shards.push_back(input);
  return shards;
}

ParsedModel parse(std::string_view input) {
  std::vector<ShardHeader> headers;
  for (const std::string_view shard : split(input))
    headers.push_back(parse_shard(std::as_bytes(std::span(shard)), "fuzz"));
  return join_shards(std::move(headers));
}

template <class Read>
void tolerate(Read&& read) {
  try {
    read();
  } catch (const shoal::ModelFileError&) {
    // A refusal is the expected outcome for most inputs.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  tolerate([&] {
    const ParsedModel model = parse(input);
    describe_model_text(model.metadata, model.directory, Detail::kTensors);
    tolerate([&] { parse_model_config(model.metadata, model.directory); });
    tolerate([&] { parse_vocab(model.metadata); });
  });
  return 0;
}

// Without a corpus, mutation starts from a valid model instead of from nothing.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data,
                                          size_t size,
                                          size_t max_size,
                                          unsigned /*seed*/) {
  if (size <= 1) {
    static const std::string kValid = shoal::loader::testing::tiny_model().bytes();
    size = std::min(kValid.size(), max_size);
    std::copy_n(kValid.begin(), size, reinterpret_cast<char*>(data));
  }
  return LLVMFuzzerMutate(data, size, max_size);
}
