#include <limits>

#include "tests/unit/bad_files/bad_case.h"

namespace shoal::loader::testing {
namespace {

const std::string kArch = "qwen35moe.";

std::function<void(Shards&)> u32(const std::string& key, uint32_t value) {
  return [=](Shards& s) { s[0].u32(kArch + key, value); };
}
std::function<void(Shards&)> f32(const std::string& key, float value) {
  return [=](Shards& s) { s[0].f32(kArch + key, value); };
}

}  // namespace

std::vector<BadCase> bad_key_cases() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  return {
      {29,
       "no architecture",
       [](Shards& s) { s[0].erase("general.architecture"); },
       "GGUF-29 1: required key 'general.architecture' is missing"},
      {29,
       "no block_count",
       [](Shards& s) { s[0].erase(kArch + "block_count"); },
       "GGUF-29 1: required key 'qwen35moe.block_count' is missing"},
      {30,
       "block_count is a string",
       [](Shards& s) { s[0].string(kArch + "block_count", "2"); },
       "GGUF-30 1: key 'qwen35moe.block_count' must be u32, found string"},
      {31,
       "architecture llama",
       [](Shards& s) { s[0].string("general.architecture", "llama"); },
       "GGUF-31 1: architecture 'llama' is not supported; this program runs qwen35moe"},
      {31,
       "architecture with an escape",
       [](Shards& s) { s[0].string("general.architecture", "\x1b[2Jx"); },
       "GGUF-31 1: architecture '\\x1b[2Jx' is not supported; this program runs qwen35moe"},
      {36, "block_count 0", u32("block_count", 0), "GGUF-36 1: block_count 0 is outside 1..1024"},
      {36,
       "block_count 2^32-1",
       u32("block_count", UINT32_MAX),
       "GGUF-36 1: block_count 4294967295 is outside 1..1024"},
      {36,
       "every block predicts further tokens",
       u32("nextn_predict_layers", 2),
       "GGUF-36 1: nextn_predict_layers 2 leaves no layer of 2"},
      {37,
       "head_count 0",
       u32("attention.head_count", 0),
       "GGUF-37 1: head_count 0 must be at least 1"},
      {37,
       "key_length 0",
       u32("attention.key_length", 0),
       "GGUF-37 1: key_length 0 must be at least 1"},
      {37,
       "interval 0",
       u32("full_attention_interval", 0),
       "GGUF-37 1: full_attention_interval 0 must be at least 1"},
      {37,
       "key_length 2^32-1",
       u32("attention.key_length", UINT32_MAX),
       "GGUF-37 1: key_length 4294967295 exceeds 1048576"},
      {38,
       "expert_used_count 11 of 5",
       u32("expert_used_count", 11),
       "GGUF-38 1: expert_used_count 11 exceeds expert_count 5"},
      {38,
       "expert_count 0",
       u32("expert_count", 0),
       "GGUF-38 1: expert_count 0 is outside 1..1048576"},
      {39,
       "epsilon NaN",
       f32("attention.layer_norm_rms_epsilon", nan),
       "GGUF-39 1: rms epsilon is NaN; a small positive number is required"},
      {39,
       "epsilon negative",
       f32("attention.layer_norm_rms_epsilon", -1e-6F),
       "GGUF-39 1: rms epsilon is -1e-06; a positive number up to 1 is required"},
      {39,
       "rope base infinite",
       f32("rope.freq_base", infinite),
       "GGUF-39 1: rope base is inf; a positive number up to 1000000000000 is required"},
      {40,
       "head counts of one layer",
       [](Shards& s) { s[0].put(kArch + "attention.head_count_kv", 9, array_of(4, 1, raw(1))); },
       "GGUF-40 1: array 'head_count_kv' has 1 entries for 2 layers"},
      {40,
       "recurrent_layers of three layers",
       [](Shards& s) {
         s[0].put(
             kArch + "attention.recurrent_layers", 9, array_of(7, 3, std::string("\1\0\1", 3)));
       },
       "GGUF-40 1: array 'recurrent_layers' has 3 entries for 2 layers"},
  };
}

}  // namespace shoal::loader::testing
