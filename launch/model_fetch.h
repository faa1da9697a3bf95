// From -hf OWNER/NAME[:QUANT] to files on this machine. Built without libcurl, it refuses in words.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "launch/options.h"

namespace shoal::launch {

struct FetchedModel {
  std::string label;  // of the quantisation
  std::string folder;
  std::vector<std::string> paths;  // in shard order; the first one is what -m takes
  uint64_t bytes = 0;              // of them
  uint64_t fetched = 0;            // that came over the network now
};

// Which files: all, or those that one rank of a grid needs.
struct FetchScope {
  int rank = -1;         // -1: all
  ClusterOptions shape;  // resolved; only for a rank
};

// Shows progress on stderr. Main thread, before other threads exist. Throws Error: 2 for names that
// are not there, 3 for wrong bytes, 5 for a full disk, 6 when the hub does not answer or refuses.
FetchedModel fetch_model(const ModelOptions& model, const FetchScope& scope = {});

}  // namespace shoal::launch
