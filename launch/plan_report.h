// A layout search for reading and as JSON: `shoal plan`'s output. Pure; text from files is made
// printable.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sharding/capacity.h"
#include "sharding/layout_search.h"

namespace shoal::launch {

struct PlanSubject {
  sharding::ForecastInputs inputs;
  const sharding::PlanWishes& wishes;
  const sharding::LayoutReport& report;
};

enum class PlanDetail : uint8_t { kTables, kExplained };

// kExplained adds where the time of each step goes.
std::string plan_text(const PlanSubject& subject, PlanDetail detail);

// {model, hosts, fits, why, layout: {name, stages: [{host, ep, layers}]} or null, ranks: [{rank,
// host,
//  stage, layers: [first, end], experts, weights: {class: bytes}, weight_bytes, kv_bytes,
//  state_bytes, scratch_bytes, message_bytes, total_bytes, free_bytes}], nodes, sequences:
//  [{context, sequences}], forecast: {load, decode_one, decode_batch, prompt, prompts},
//  may_die: {ranks, nodes}, layouts: [{name, fits, reason, would_fit, ...}], assumptions}
nlohmann::ordered_json plan_json(const PlanSubject& subject);

// One line of what each rank holds, and free room; shared by both forms.
struct RankBytes {
  int rank = 0, node = 0, stage = 0;
  int first_layer = 0, end_layer = 0, num_experts = 0;
  sharding::ClassBytes weights = {};
  uint64_t weight_bytes = 0, kv = 0, state = 0, scratch = 0, messages = 0, total = 0, free = 0;
};
std::vector<RankBytes> rank_bytes(const PlanSubject& subject);

struct ContextRoom {
  int64_t context = 0, sequences = 0;
};
std::vector<ContextRoom> context_room(const PlanSubject& subject);

}  // namespace shoal::launch
