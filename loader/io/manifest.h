// What a model's files should hold, written once where they are known to be good: the size, the
// SHA-256 and the samples of each file, the place and the XXH3 of each tensor. A JSON file beside
// the model, MODEL.manifest.json. Read as untrusted text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/io/model_files.h"

namespace shoal::loader {

struct TensorSum {
  std::string name;
  std::string type;  // dtype_name()
  uint64_t offset = 0, bytes = 0;
  uint64_t xxh3 = 0;
  bool operator==(const TensorSum&) const = default;
};

struct FileSum {
  std::string name;  // without folders
  uint64_t bytes = 0;
  std::string sha256;                         // lower-case hex
  uint64_t header_hash = 0, sample_hash = 0;  // FileIdentity's
  std::vector<TensorSum> tensors;
};

struct Manifest {
  std::vector<FileSum> files;
};

// Beside the first shard: "Model-Q4-00001-of-00005.gguf" -> "Model-Q4.manifest.json".
std::string manifest_path(const ModelFiles& files);

// Throws ModelFileError (GGUF-86) for a file that is no manifest. Empty where there is none.
std::optional<Manifest> read_manifest(const std::string& path);
// Whole or not at all: written beside and renamed. Throws Error where that fails.
void write_manifest(const Manifest& manifest, const std::string& path);

// What headers and samples alone show, in a second at most: sizes, types, places, another
// fine-tune's shard. Throws ModelFileError (GGUF-85, GGUF-86). What verify does reads everything.
void check_against(const Manifest& manifest, const ModelFiles& files);

// The same with the manifest that lies beside the model; nothing where none does.
void check_against_manifest(const ModelFiles& files);

}  // namespace shoal::loader
