// From headers and machines to a layout, by the same planner that the running system uses: every
// layout worth judging is planned, refused ones say why and what would fit, and the rule picks one:
// a stage on every node with experts spread inside it, which keeps the 120 exchanges of a token off
// the links between nodes; nodes are cut into more stages only where one stage each does not fit,
// because that replicates fewer dense bytes. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sharding/forecast.h"
#include "sharding/layout.h"
#include "sharding/planner.h"

namespace shoal::sharding {

struct PlanWishes {
  Backend backend = Backend::kCuda;
  int64_t context = 0;  // of a sequence; 0: the model's
  int max_sequences = 8;
  int max_batch_tokens = 512;
  std::vector<int> widths;            // told: judged before the others, and chosen
  std::vector<int> layers_per_stage;  // told with them
};

struct Judged {
  Layout layout;
  ClusterSpec cluster;            // what the planner was asked
  std::optional<ShardPlan> plan;  // empty: refused
  Refusal refusal;
  std::string would_fit;  // of a refused one
  Forecast forecast;      // of one that fits
};

struct Losses {
  int ranks = 0;  // any so many may die and the rest still hold the model
  int nodes = 0;
};

struct LayoutReport {
  std::vector<Judged> judged;  // in the order of candidate_layouts()
  int chosen = -1;             // an index; -1: nothing fits
  std::string why;             // of the choice, or what would fit instead
  Losses losses;
};

LayoutReport search_layouts(const ForecastInputs& inputs, const PlanWishes& wishes);

// Layers for each stage so that ranks read their own bytes in about equal time (lm_head counts as
// the last stage's), within what each stage's memory holds.
std::vector<int> spread_layers_by_time(const ForecastInputs& inputs,
                                       const Layout& layout,
                                       const PlanWishes& wishes);

}  // namespace shoal::sharding
