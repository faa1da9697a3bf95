// Models of the public Qwen3.5 MoE files' layout, written to a folder: file names, shards of at
// most 50 GB cut between tensors, the first without tensors, per-tensor types, 248,320 tokens.
// Sparse sets take only their headers' room on disk and hold zeros; random ones are full.
// What is not the public files': the texts of the vocabulary, the weights.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/tools/model_layout.h"

namespace shoal::tools {

enum class Fill : uint8_t { kSparse, kRandom };

struct ModelSpec {
  std::string shape = "397b";      // 397b, 122b, 35b, tiny
  std::string mix = "UD-Q3_K_XL";  // UD-Q3_K_XL UD-Q4_K_XL MXFP4_MOE Q8_0 BF16 UD-IQ2_XXS
  Fill fill = Fill::kSparse;
  uint64_t seed = 1;
  std::optional<int> layers, experts, vocab;  // instead of the shape's
  uint64_t shard_bytes = 50'000'000'000;      // of tensor data, most
  int threads = 0;                            // 0: the machine's
};

struct PlannedShard {
  std::string file_name;
  std::string header;
  std::vector<LaidTensor> tensors;
  std::vector<uint64_t> offsets;  // of each tensor, from the start of the file
  uint64_t bytes = 0;             // of the file
};

// The files of a set without writing them. One file with the plain name where the data fit into one
// shard. Throws std::invalid_argument for a shape, mix or number that cannot be.
std::vector<PlannedShard> plan_model_set(const ModelSpec& spec);

// Writes them; the folder is made, files of the same names are replaced. Returns the paths in
// order. Throws std::system_error.
std::vector<std::string> write_model_set(const ModelSpec& spec, const std::string& folder);

}  // namespace shoal::tools
