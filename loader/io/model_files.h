// A model's files, opened and checked: the way from what the user typed to a TensorDirectory.
#pragma once
#include <string>
#include <vector>

#include "loader/format/metadata.h"
#include "loader/format/tensor_directory.h"
#include "loader/io/mapped_file.h"

namespace shoal::loader {

// Move-only. `files` are in the directory's shard order; of each only the header's pages have been
// touched. A synthetic model (loader/format/synthetic_model.h) has none.
struct ModelFiles {
  Metadata metadata;
  TensorDirectory directory;
  std::vector<MappedFile> files;
};

// `path` is the first shard, any shard, a single file, or a folder with one model in it. Throws
// ModelFileError for files that cannot be used, and Error(kUsage) for a folder with several models.
ModelFiles open_model(const std::string& path);

}  // namespace shoal::loader
