#include "tests/unit/bad_files/bad_case.h"

namespace shoal::loader::testing {

std::vector<BadCase> bad_set_cases() {
  return {
      {56,
       "tensor in two shards",
       [](Shards& s) {
         s[2].tensors.push_back({"blk.0.ssm_a", {4}});
         for (GgufFile& shard : s) shard.i32("split.tensors.count", 39);
       },
       "GGUF-56 3: tensor 'blk.0.ssm_a' is in shard 2 and shard 3"},
      {80,
       "shard 3 counts 7 shards",
       [](Shards& s) { s[2].u16("split.count", 7); },
       "GGUF-80 3: shard 3 says 7 shards, shard 1 says 3"},
      {80,
       "shard 1 counts 8 shards",
       [](Shards& s) { s[0].u16("split.count", 8); },
       "GGUF-80 1: file names say 3 shards, shard 1 says 8"},
      {81,
       "shards swapped",
       [](Shards& s) { std::swap(s[1], s[2]); },
       "GGUF-81 2: 'm-00002-of-00003.gguf' contains shard 3"},
      {81,
       "same shard twice",
       [](Shards& s) { s[2] = s[1]; },
       "GGUF-81 3: 'm-00003-of-00003.gguf' contains shard 2"},
      {82,
       "split.no is a string",
       [](Shards& s) { s[1].string("split.no", "1"); },
       "GGUF-82 2: key 'split.no' must be u16, found string"},
      {82,
       "split.no missing",
       [](Shards& s) { s[2].erase("split.no"); },
       "GGUF-29 3: required key 'split.no' is missing"},
      {83,
       "split.count 0",
       [](Shards& s) { s[0].u16("split.count", 0); },
       "GGUF-83 1: split.count 0; at least 1 is required"},
      {83,
       "split.count 65535",
       [](Shards& s) { s[0].u16("split.count", 65535); },
       "GGUF-80 1: file names say 3 shards, shard 1 says 65535"},
      {84,
       "more tensors counted than there are",
       [](Shards& s) { s[0].i32("split.tensors.count", 1200); },
       "GGUF-84 1: model says 1,200 tensors, shards hold 38"},
      {84,
       "tensor count negative",
       [](Shards& s) { s[1].i32("split.tensors.count", -1); },
       "GGUF-84 2: model says -1 tensors, shards hold 38"},
      {85,
       "shard of a wider model",
       [](Shards& s) {
         for (TensorSpec& tensor : s[2].tensors)
           if (tensor.ne[0] == 8) tensor.ne[0] = 16;
       },
       "GGUF-75 3: tensor 'blk.0.ffn_gate_inp.weight' has shape [16, 5], expected [8, 5]"},
      {87,
       "two shards joined",
       {},
       "GGUF-87 2: 5.8 kB of data after the last tensor, starting with another GGUF header",
       [](Bytes& files) { files[1] += files[2]; }},
  };
}

std::vector<BadCase> bad_cases() {
  std::vector<BadCase> all;
  for (const auto part :
       {bad_header_cases, bad_key_cases, bad_vocab_cases, bad_tensor_cases, bad_set_cases})
    for (BadCase& bad : part()) all.push_back(std::move(bad));
  return all;
}

}  // namespace shoal::loader::testing
