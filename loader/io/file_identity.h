// What tells a shard from another of the same name on another machine, without reading all of it:
// size, header, and samples of the data. A shard of another fine-tune of the same model has the
// same size and header, but not the same samples.
#pragma once
#include <cstdint>
#include <vector>

#include "loader/io/model_files.h"

namespace shoal::loader {

struct FileIdentity {
  uint64_t bytes = 0;
  uint64_t header_hash = 0;
  uint64_t sample_hash = 0;  // xxh3 of up to 16 tensors' first 4 KiB; 0: no tensors
  bool operator==(const FileIdentity&) const = default;
};

// One for each shard. Reads at most 64 KiB of each. Throws ModelFileError.
std::vector<FileIdentity> identify(const ModelFiles& files);

}  // namespace shoal::loader
