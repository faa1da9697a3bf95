// A valid set of three shards with a few bytes changed, so that mutation reaches the rules of sets
// instead of failing at the first header. Input: edits of five bytes each: shard, two of place,
// what to do, a value. The only accepted outcomes are a loaded model and ModelFileError.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loader/format/model_config.h"
#include "loader/format/split_set.h"
#include "loader/format/vocab.h"
#include "runtime/base/error.h"
#include "tests/unit/loader/tiny_model.h"

namespace {

using namespace shoal::loader;
using shoal::loader::testing::GgufFile;

constexpr size_t kEditBytes = 5;

std::vector<std::string> valid_set() {
  std::vector<GgufFile> set(3);
  testing::add_tiny_metadata(set[0]);
  testing::add_tiny_vocabulary(set[0]);
  const GgufFile whole = testing::tiny_model();
  const auto half = whole.tensors.begin() + 20;
  set[1].tensors.assign(whole.tensors.begin(), half);
  set[2].tensors.assign(half, whole.tensors.end());
  std::vector<std::string> bytes;
  for (uint16_t i = 0; i < 3; ++i) {
    set[i].u16("split.no", i);
    set[i].u16("split.count", 3);
    set[i].i32("split.tensors.count", static_cast<int32_t>(whole.tensors.size()));
    bytes.push_back(set[i].bytes());
  }
  return bytes;
}

void edit(std::vector<std::string>& shards, std::span<const uint8_t> what) {
  if (shards.empty()) return;
  std::string& shard = shards[what[0] % shards.size()];
  const size_t place = (size_t{what[1]} << 8 | what[2]) % (shard.size() + 1);
  const char value = static_cast<char>(what[4]);
  switch (what[3] % 6) {
    case 0:
      if (place < shard.size()) shard[place] = value;
      break;
    case 1:
      shard.insert(place, 1, value);
      break;
    case 2:
      shard.resize(place);
      break;
    case 3:
      shard.erase(place, static_cast<uint8_t>(value));
      break;
    case 4:
      shards.push_back(std::string(shard));
      break;
    default:
      std::swap(shards[what[0] % shards.size()], shards[what[4] % shards.size()]);
      break;
  }
  if (shards.size() > 5) shards.pop_back();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> kValid = valid_set();
  std::vector<std::string> shards = kValid;
  for (size_t at = 0; at + kEditBytes <= size && at < 32 * kEditBytes; at += kEditBytes)
    edit(shards, {data + at, kEditBytes});
  try {
    std::vector<ShardHeader> headers;
    const auto count = static_cast<int>(shards.size());
    for (int i = 0; i < count; ++i)
      headers.push_back(parse_shard(std::as_bytes(std::span(shards[static_cast<size_t>(i)])),
                                    split_path("fuzz", i + 1, count)));
    const ParsedModel model = join_shards(std::move(headers));
    parse_model_config(model.metadata, model.directory);
    parse_vocab(model.metadata);
  } catch (const shoal::ModelFileError&) {
    // A refusal is the expected outcome for most inputs.
  }
  return 0;
}
