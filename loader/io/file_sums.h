// Reads a whole model once, several files at a time: hashes for a manifest, and whether the weights
// can be numbers at all.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "loader/io/manifest.h"

namespace shoal::loader {

struct SumSettings {
  int num_threads = 1;                                                      // files at a time
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> progress;  // now and then
};

struct ModelSums {
  Manifest manifest;
  std::vector<std::string> faults;        // lines "error[GGUF-73]: ...": scales that are no numbers
  std::vector<std::string> zero_tensors;  // names, printable
};

// Throws ModelFileError when a file ends early, Error when the disk fails.
ModelSums sum_files(const ModelFiles& files, const SumSettings& settings);

// One line for each file and tensor that is not what the manifest says; empty when all is well.
std::vector<std::string> differences(const Manifest& found,
                                     const Manifest& expected,
                                     const ModelFiles& files);

}  // namespace shoal::loader
