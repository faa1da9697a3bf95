// The models that lie in one repository, a set of shards each, and which one QUANT means. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "loader/hub/repo_listing.h"
#include "loader/hub/repo_name.h"

namespace shoal::hub {

struct QuantSet {
  std::string label;              // "UD-Q3_K_XL": the end of the file's name, or its folder
  std::vector<RemoteFile> files;  // in shard order
  int num_expected = 1;           // shards, by the names; more than files.size(): some are missing

  uint64_t bytes() const;
  // 12 hex digits over names, sizes and hashes: equal only for equal files.
  std::string fingerprint() const;
};

// "Qwen3.5-35B-A3B-UD-Q3_K_XL" -> "UD-Q3_K_XL"; empty when no part of the name is a quantisation.
std::string quant_label(const std::string& stem);

// In the listing's order. Vision encoders (mmproj) and importance matrices are no models.
std::vector<QuantSet> find_quant_sets(const std::vector<RemoteFile>& files);

// The set that repo.quant names, by label or by folder, whatever the case; with `path` the set of
// that file; with neither the only one, or Q4_K_M, or UD-Q4_K_XL. Throws Error: usage, with what
// there is, for a name that no set or two sets have; kBadModel for a set with missing shards or
// files without hashes.
QuantSet choose_quant_set(const RepoName& repo,
                          const std::string& path,
                          const std::vector<RemoteFile>& files);

}  // namespace shoal::hub
