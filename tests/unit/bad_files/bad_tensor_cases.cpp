#include "tests/unit/bad_files/bad_case.h"

namespace shoal::loader::testing {
namespace {

constexpr uint64_t kMax = UINT64_MAX;
constexpr int64_t kInt32Max = INT32_MAX;

// Shard 3 holds one tensor 'x' instead of its own.
std::function<void(Shards&)> lone(TensorSpec spec) {
  return [spec](Shards& s) { s[2].tensors = {spec}; };
}
std::function<void(Shards&)> lone(std::vector<TensorSpec> specs) {
  return [specs](Shards& s) { s[2].tensors = specs; };
}
std::function<void(Shards&)> more(TensorSpec spec) {
  return [spec](Shards& s) {
    s[2].tensors.push_back(spec);
    for (GgufFile& shard : s) shard.i32("split.tensors.count", 39);
  };
}
// An offset for the last shard's second tensor, whose first fills 0..32.
std::function<void(Shards&)> offset(uint64_t value) {
  return lone({{"x", {8}}, {"y", {8}, 0, 0, value}});
}

std::vector<BadCase> containers() {
  return {
      {53,
       "name of 2^64-1",
       {},
       "GGUF-53 3: tensor 0: name length 18446744073709551615; at most 63",
       [](Bytes& files) {
         const std::string name = text("blk.1.ffn_down_shexp.weight");
         GgufFile file;
         file.u16("split.no", 2);
         file.tensors = {{"blk.1.ffn_down_shexp.weight", {6, 8}}};
         files[2] = file.bytes();
         files[2].replace(files[2].find(name), 8, raw(kMax));
       }},
      {53,
       "name of 70",
       lone(TensorSpec{std::string(70, 'n'), {8}}),
       "GGUF-53 3: tensor 0: name length 70; at most 63"},
      {54, "empty name", lone(TensorSpec{"", {8}}), "GGUF-54 3: tensor 0 has an empty name"},
      {55,
       "name twice",
       lone({{"x", {8}}, {"y", {8}}, {"x", {8}}}),
       "GGUF-55 3: tensor 'x' appears twice (0 and 2)"},
      {57,
       "no dimensions",
       lone(TensorSpec{"x", {}, 0, 32}),
       "GGUF-57 3: tensor 'x' has 0 dimensions; 1 to 4 allowed"},
      {57,
       "five dimensions",
       lone(TensorSpec{"x", {1, 1, 1, 1, 1}}),
       "GGUF-57 3: tensor 'x' has 5 dimensions; 1 to 4 allowed"},
      {57,
       "2^32-1 dimensions",
       {},
       "GGUF-57 3: tensor 'x' has 4294967295 dimensions; 1 to 4 allowed",
       [](Bytes& files) {
         GgufFile file;
         file.u16("split.no", 2);
         file.tensors = {{"x", {8}}};
         files[2] = file.bytes();
         files[2].replace(files[2].find(text("x")) + 9, 4, raw(UINT32_MAX));
       }},
      {58,
       "negative dimension",
       lone(TensorSpec{"x", {8, -1}, 0, 32}),
       "GGUF-58 3: tensor 'x' dimension 1 is -1"},
      {60,
       "product wraps at 2^42+1",
       lone(TensorSpec{"x", {(int64_t{1} << 42) + 1, int64_t{1} << 21}, 0, 32}),
       "GGUF-60 3: tensor 'x' has more than 2^62 elements"},
      {60,
       "4 x INT32_MAX squared",
       lone(TensorSpec{"x", {4 * kInt32Max, kInt32Max}, 0, 32}),
       "GGUF-60 3: tensor 'x' has more than 2^62 elements"},
      {61,
       "bytes wrap",
       lone(TensorSpec{"x", {int64_t{1} << 62}, 0, 32}),
       "GGUF-61 3: tensor 'x' needs more bytes than 2^62"},
      {62,
       "ne0 2^63-3",
       lone(TensorSpec{"x", {INT64_MAX - 2}, 0, 32}),
       "GGUF-60 3: tensor 'x' has more than 2^62 elements"},
      {63,
       "rows of 100 in q4_K",
       lone(TensorSpec{"x", {100, 2}, 12, 144}),
       "GGUF-63 3: tensor 'x' (q4_K) has rows of 100; a multiple of 256 is required"},
      {64,
       "type 99",
       lone(TensorSpec{"x", {8}, 99, 32}),
       "GGUF-64 3: tensor 'x' has unknown type 99"},
      {64,
       "type -1",
       lone(TensorSpec{"x", {8}, UINT32_MAX, 32}),
       "GGUF-64 3: tensor 'x' has unknown type 4294967295"},
      {65,
       "removed type 4",
       lone(TensorSpec{"x", {8}, 4, 32}),
       "GGUF-65 3: tensor 'x' has type 4, removed from GGUF"},
      {65,
       "removed type 31",
       lone(TensorSpec{"x", {8}, 31, 32}),
       "GGUF-65 3: tensor 'x' has type 31, removed from GGUF"},
      {66,
       "type that no backend has",
       lone(TensorSpec{"x", {128}, 41, 32}),
       "GGUF-66 3: tensor 'x' is q1_0, which no backend supports"},
      {67, "offset 33", offset(33), "GGUF-67 3: tensor 'y' offset 33 is not a multiple of 32"},
      {68, "overlap", offset(0), "GGUF-68 3: tensor 'y' offset 0 overlaps 'x' (0..32)"},
      {68, "hole", offset(64), "GGUF-68 3: tensor 'y' offset 64 leaves a hole after 'x' (0..32)"},
      {69,
       "file short by a byte",
       lone({{"x", {8}}, {"y", {16}}}),
       "GGUF-69 3: tensor 'y' ends at 288 but the file has 287 bytes; the file is cut short",
       [](Bytes& files) { files[2].pop_back(); }},
      {69,
       "tensor 1 GiB beyond the file",
       lone(TensorSpec{"x", {int64_t{1} << 28}, 0, 32}),
       "GGUF-69 3: tensor 'x' ends at 1,073,741,984 but the file has 192 bytes; the file is cut "
       "short"},
      {70,
       "offset 2^64-32",
       offset(kMax - 31),
       "GGUF-70 3: tensor 'y' offset 18446744073709551584 is beyond the file"},
      {71,
       "sum of sizes wraps",
       lone({{"a", {int64_t{1} << 60}, 0, 32},
             {"b", {int64_t{1} << 60}, 0, 32},
             {"c", {int64_t{1} << 60}, 0, 32},
             {"d", {int64_t{1} << 60}, 0, 32}}),
       "GGUF-71 3: total tensor size overflows at tensor 'd'"},
      {72,
       "no data",
       {},
       "GGUF-72 2: file ends before the tensor data",
       [](Bytes& files) {
         GgufFile file;
         file.u16("split.no", 1);
         file.tensors = {{"x", {8}}};
         files[1] = file.header();
       }},
  };
}

std::vector<BadCase> models() {
  return {
      {59,
       "zero dimension",
       [](Shards& s) {
         s[1].tensor("blk.0.ssm_out.weight").ne = {8, 0};
       },
       "GGUF-59 2: tensor 'blk.0.ssm_out.weight' has shape [8, 0], expected [8, 8]"},
      {74,
       "needed tensor missing",
       [](Shards& s) {
         s[2].erase_tensor("blk.1.ffn_down_exps.weight");
         for (GgufFile& shard : s) shard.i32("split.tensors.count", 37);
       },
       "GGUF-74 1: tensor 'blk.1.ffn_down_exps.weight' is missing"},
      {75,
       "four experts of five",
       [](Shards& s) {
         s[2].tensor("blk.1.ffn_gate_exps.weight").ne = {8, 3, 4};
       },
       "GGUF-75 3: tensor 'blk.1.ffn_gate_exps.weight' has shape [8, 3, 4], expected [8, 3, 5]"},
      {75,
       "f16 where f32 is needed",
       [](Shards& s) {
         s[2].tensor("blk.1.attn_norm.weight") = {"blk.1.attn_norm.weight", {8}, 1, 16};
       },
       "GGUF-66 3: tensor 'blk.1.attn_norm.weight' is f16; f32 is required"},
      {76,
       "layer beyond block_count",
       more({"blk.2.x", {8}}),
       "GGUF-76 3: tensor 'blk.2.x' names a layer outside 0..1"},
      {76,
       "layer of 20 digits",
       more({"blk.99999999999999999999.x", {8}}),
       "GGUF-76 3: tensor 'blk.99999999999999999999.x' names a layer outside 0..1"},
  };
}

}  // namespace

std::vector<BadCase> bad_tensor_cases() {
  std::vector<BadCase> cases = containers();
  for (BadCase& bad : models()) cases.push_back(std::move(bad));
  return cases;
}

}  // namespace shoal::loader::testing
