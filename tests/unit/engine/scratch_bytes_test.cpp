// The planner's count of activations against the memory that the model takes for them, as the
// kernel counts it: pages of address space, taken and not touched.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "loader/format/synthetic_model.h"
#include "runtime/model/scratch.h"
#include "sharding/memory_estimate.h"

namespace shoal::model {
namespace {

double address_space() {
  double pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

TEST(ScratchBytes, ThePlannersCountIsTheModels) {
  constexpr int kTokens = 512;
  for (const char* name : {"synthetic:35b:q8", "synthetic:122b:q8", "synthetic:397b:q8"}) {
    const auto made = loader::synthetic_model(name);
    const loader::ModelConfig config = loader::parse_model_config(made->metadata, made->directory);
    for (const int ep : {1, 8}) {
      const int local = config.num_experts / ep;
      const int64_t expert_rows = int64_t{kTokens} * ep * std::min(config.num_topk, local);
      const double before = address_space();
      const Scratch scratch(
          config,
          {.backend = Backend::kCpu, .max_tokens = kTokens, .max_expert_rows = expert_rows});
      double taken = address_space() - before;
      const double hidden = static_cast<double>(config.hidden_size) * sizeof(float);
      taken += kTokens * hidden;  // the engine's hidden rows
      if (ep > 1)
        taken += static_cast<double>(expert_rows) * hidden;  // the exchange's grouped rows
      const auto counted = static_cast<double>(sharding::scratch_bytes(
          config,
          {.ep = ep, .num_local_experts = local, .max_batch_tokens = kTokens, .max_sequences = 8}));
      // Some thirty buffers, each rounded up to pages, and what else the process maps meanwhile.
      EXPECT_NEAR(counted, taken, 2e6) << name << " ep " << ep;
    }
  }
}

}  // namespace
}  // namespace shoal::model
