#include "sharding/layout_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <utility>
#include <variant>

#include "runtime/base/printable.h"
#include "sharding/capacity.h"

namespace shoal::sharding {
namespace {

constexpr int64_t kContextStep = 1024;
constexpr int kMostNodes = 64;
constexpr size_t kMostMoves = 8;

ClusterSpec spec_of(const ForecastInputs& inputs, const Layout& layout, const PlanWishes& wishes) {
  return {.ep_per_stage = layout.widths(),
          .backend = wishes.backend,
          .context = wishes.context,
          .max_sequences = wishes.max_sequences,
          .max_batch_tokens = wishes.max_batch_tokens,
          .stage_memory = stage_memory(inputs.hardware, layout),
          .cache_memory = 0};
}

// Gives one layer of the stage that was too full to another, the nearest that can take it.
std::optional<ShardPlan> plan_with_moved_layer(const ForecastInputs& inputs,
                                               ClusterSpec& cluster,
                                               int full) {
  std::vector<int> others(cluster.ep_per_stage.size());
  std::iota(others.begin(), others.end(), 0);
  std::stable_sort(others.begin(), others.end(), [full](int a, int b) {
    return std::abs(a - full) < std::abs(b - full);
  });
  others.resize(std::min(others.size(), kMostMoves));
  for (const int other : others) {
    if (other == full) continue;
    ClusterSpec moved = cluster;
    --moved.layers_per_stage[static_cast<size_t>(full)];
    ++moved.layers_per_stage[static_cast<size_t>(other)];
    auto result = plan_shards(inputs.directory, inputs.config, moved);
    auto* plan = std::get_if<ShardPlan>(&result);
    if (plan == nullptr) continue;
    cluster = std::move(moved);
    return std::move(*plan);
  }
  return std::nullopt;
}

// The planner's answer. Layers are spread by time, except where the user told the stages: then as
// told, or as evenly as the running system would.
std::variant<ShardPlan, Refusal> plan_layout(const ForecastInputs& inputs,
                                             const Layout& layout,
                                             const PlanWishes& wishes,
                                             ClusterSpec& cluster) {
  cluster = spec_of(inputs, layout, wishes);
  const bool told = wishes.widths == cluster.ep_per_stage;
  if (told) cluster.layers_per_stage = wishes.layers_per_stage;
  if (told || static_cast<int>(layout.stages.size()) > inputs.config.num_layers)
    return plan_shards(inputs.directory, inputs.config, cluster);
  cluster.layers_per_stage = spread_layers_by_time(inputs, layout, wishes);
  auto result = plan_shards(inputs.directory, inputs.config, cluster);
  const auto* refusal = std::get_if<Refusal>(&result);
  if (refusal == nullptr || refusal->rank < 0) return result;
  // The spread goes by the mean layer; real ones differ.
  const int full = RankGrid(cluster.ep_per_stage).place(refusal->rank).stage;
  if (auto plan = plan_with_moved_layer(inputs, cluster, full)) return *std::move(plan);
  return result;
}

// A plan without a limit, to see what a refused layout would need. Empty for contradictions.
std::optional<ShardPlan> unlimited(const ForecastInputs& inputs, ClusterSpec cluster) {
  cluster.stage_memory.clear();
  auto result = plan_shards(inputs.directory, inputs.config, cluster);
  if (auto* plan = std::get_if<ShardPlan>(&result)) return std::move(*plan);
  return std::nullopt;
}

// Bytes that the tightest rank lacks; 0 or less: all fit.
int64_t lacking(const ForecastInputs& inputs,
                const ShardPlan& plan,
                const ClusterSpec& cluster,
                const Load& load) {
  int64_t most = std::numeric_limits<int64_t>::min();
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const auto memory = cluster.memory_of(plan.grid.place(rank).stage);
    const auto needed = static_cast<int64_t>(bytes_needed(inputs.config, plan, rank, load));
    most = std::max(most, needed - static_cast<int64_t>(memory.value_or(0)));
  }
  return most;
}

// The most tokens, in steps of 1,024, that one of `slots` sequences may have; 0: not one step.
int64_t longest_context(const ForecastInputs& inputs,
                        const ShardPlan& plan,
                        const ClusterSpec& cluster,
                        int slots) {
  int64_t most = 0;
  const int64_t steps = inputs.config.context_length / kContextStep;
  for (int64_t step = int64_t{1} << 20; step > 0; step /= 2) {
    const Load load{slots, 1, (most + step) * kContextStep};
    if (most + step <= steps && lacking(inputs, plan, cluster, load) <= 0) most += step;
  }
  return most * kContextStep;
}

std::string would_fit(const ForecastInputs& inputs, const ClusterSpec& cluster) {
  const auto plan = unlimited(inputs, cluster);
  if (!plan) return "";
  if (const int64_t context = longest_context(inputs, *plan, cluster, plan->num_slots); context > 0)
    return fmt::format("a shorter context: -c {}", context);
  if (lacking(inputs, *plan, cluster, {1, 1, plan->max_context}) <= 0)
    return "fewer sequences: -np 1";
  if (const int64_t context = longest_context(inputs, *plan, cluster, 1); context > 0)
    return fmt::format("fewer sequences and a shorter context: -np 1 -c {}", context);
  // The planner keeps states for all sequences and KV for one.
  const auto more = static_cast<uint64_t>(
      lacking(inputs, *plan, cluster, {plan->num_slots, 1, plan->max_context}));
  const uint64_t least =
      *std::min_element(cluster.stage_memory.begin(), cluster.stage_memory.end());
  return fmt::format(
      "devices with {} to use instead of {}", human_bytes(least + more), human_bytes(least));
}

Judged judge(const ForecastInputs& inputs, Layout layout, const PlanWishes& wishes) {
  Judged judged;
  auto result = plan_layout(inputs, layout, wishes, judged.cluster);
  judged.layout = std::move(layout);
  if (auto* plan = std::get_if<ShardPlan>(&result)) {
    judged.plan = std::move(*plan);
    judged.forecast = forecast(inputs, judged.layout, *judged.plan, wishes.max_sequences);
  } else {
    judged.refusal = std::get<Refusal>(std::move(result));
    if (!judged.refusal.usage) judged.would_fit = would_fit(inputs, judged.cluster);
  }
  return judged;
}

uint64_t memory_of(const NodeHardware& node) {
  return static_cast<uint64_t>(node.devices) * usable_memory(node.device);
}

bool smaller(const NodeHardware& a, const NodeHardware& b) { return memory_of(a) < memory_of(b); }

// Layers beyond the trunk are not loaded.
uint64_t trunk_bytes(const ForecastInputs& inputs) {
  uint64_t bytes = 0;
  for (const loader::TensorInfo& tensor : inputs.directory.tensors())
    if (loader::tensor_layer(tensor) < inputs.config.num_layers) bytes += tensor.bytes;
  return bytes;
}

bool any_fits(const ForecastInputs& inputs, const PlanWishes& wishes) {
  uint64_t memory = 0;
  for (const NodeHardware& node : inputs.hardware.nodes) memory += memory_of(node);
  if (memory < trunk_bytes(inputs)) return false;
  for (const Layout& layout : whole_layouts(inputs.hardware, inputs.config.num_layers)) {
    ClusterSpec cluster;
    if (std::holds_alternative<ShardPlan>(plan_layout(inputs, layout, wishes, cluster)))
      return true;
  }
  return false;
}

// A node of each kind: losing one is like losing another of its kind.
std::vector<int> unlike_nodes(const ClusterHardware& hardware) {
  std::vector<int> unlike;
  for (size_t i = 0; i < hardware.nodes.size(); ++i) {
    const NodeHardware& node = hardware.nodes[i];
    const bool known = std::any_of(unlike.begin(), unlike.end(), [&](int other) {
      const NodeHardware& earlier = hardware.nodes[static_cast<size_t>(other)];
      return earlier.devices == node.devices && memory_of(earlier) == memory_of(node) &&
             earlier.device.bandwidth == node.device.bandwidth;
    });
    if (!known) unlike.push_back(static_cast<int>(i));
  }
  return unlike;
}

// Takes `count` devices off, from node `first` on; -1: from all nodes in turn.
ClusterHardware without(const ClusterHardware& hardware, int count, int first) {
  ClusterHardware left = hardware;
  const auto nodes = static_cast<int>(left.nodes.size());
  for (int at = std::max(first, 0); count > 0; at = (at + 1) % nodes) {
    NodeHardware& node = left.nodes[static_cast<size_t>(at)];
    const int taken = first < 0 ? std::min(1, node.devices) : std::min(count, node.devices);
    node.devices -= taken;
    count -= taken;
  }
  std::erase_if(left.nodes, [](const NodeHardware& node) { return node.devices == 0; });
  return left;
}

bool fits_without(const ForecastInputs& inputs, const PlanWishes& wishes, int count, int first) {
  const ClusterHardware left = without(inputs.hardware, count, first);
  return !left.nodes.empty() && any_fits({inputs.directory, inputs.config, left}, wishes);
}

// What is left is laid out anew, as it would be after a failure: told widths no longer hold.
Losses count_losses(const ForecastInputs& inputs, PlanWishes wishes) {
  wishes.widths.clear();
  wishes.layers_per_stage.clear();
  Losses losses;
  std::vector<int> places = unlike_nodes(inputs.hardware);
  places.push_back(-1);
  const auto survives = [&](int count) {
    return std::all_of(places.begin(), places.end(), [&](int first) {
      return fits_without(inputs, wishes, count, first);
    });
  };
  int low = 0, high = inputs.hardware.num_devices();  // low survives, high does not
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (survives(middle) ? low : high) = middle;
  }
  losses.ranks = low;
  // The nodes that hold most go first.
  ClusterHardware left = inputs.hardware;
  while (left.nodes.size() > 1) {
    const auto largest = std::max_element(left.nodes.begin(), left.nodes.end(), smaller);
    left.nodes.erase(largest);
    if (!any_fits({inputs.directory, inputs.config, left}, wishes)) break;
    ++losses.nodes;
  }
  return losses;
}

// When nothing fits: how many nodes like the largest would do.
std::string more_nodes(const ForecastInputs& inputs, const PlanWishes& wishes) {
  ClusterHardware more = inputs.hardware;
  const NodeHardware extra = *std::max_element(more.nodes.begin(), more.nodes.end(), smaller);
  PlanWishes free = wishes;
  free.widths.clear();
  free.layers_per_stage.clear();
  while (static_cast<int>(more.nodes.size()) < kMostNodes) {
    more.nodes.push_back(extra);
    if (any_fits({inputs.directory, inputs.config, more}, free))
      return fmt::format("nothing fits; it would on {} nodes, the further ones like {} ({} x {})",
                         more.nodes.size(),
                         printable(extra.name),
                         extra.devices,
                         printable(extra.device.name));
  }
  return fmt::format("nothing fits, nor on {} nodes like {}", kMostNodes, printable(extra.name));
}

std::string why_chosen(const LayoutReport& report, const PlanWishes& wishes) {
  const Judged& chosen = report.judged[static_cast<size_t>(report.chosen)];
  const size_t stages = chosen.layout.stages.size();
  if (!wishes.widths.empty()) return "the layout that was asked for";
  std::string why;
  if (report.chosen == 0)
    why = stages == 1
              ? "one node: its ranks are one stage, experts spread over them"
              : "a stage on every node, experts spread inside it: a token crosses the links "
                "between nodes once a stage, not twice a layer";
  else
    why =
        fmt::format("the first that fits: {}", layout_name(report.judged[0].layout) + " does not");
  const auto faster = std::max_element(
      report.judged.begin(), report.judged.end(), [](const Judged& a, const Judged& b) {
        return a.forecast.batch.tokens_per_second < b.forecast.batch.tokens_per_second;
      });
  if (faster->forecast.batch.tokens_per_second > 1.1 * chosen.forecast.batch.tokens_per_second)
    why += fmt::format(
        "; {} is forecast faster for {} sequences, but the price of exchanges and "
        "hops is not measured here: try both",
        layout_name(faster->layout),
        wishes.max_sequences);
  return why;
}

}  // namespace

LayoutReport search_layouts(const ForecastInputs& inputs, const PlanWishes& wishes) {
  LayoutReport report;
  if (!wishes.widths.empty()) {
    if (auto told = place_stages(inputs.hardware, wishes.widths))
      report.judged.push_back(judge(inputs, *std::move(told), wishes));
    else
      report.judged.push_back(
          {.refusal = {fmt::format("the stages want {} ranks, the hosts have {} devices",
                                   std::accumulate(wishes.widths.begin(), wishes.widths.end(), 0),
                                   inputs.hardware.num_devices()),
                       true}});
  }
  const size_t told = report.judged.size();
  for (Layout& layout : candidate_layouts(inputs.hardware, inputs.config.num_layers))
    if (told == 0 || layout != report.judged[0].layout)
      report.judged.push_back(judge(inputs, std::move(layout), wishes));
  const size_t last = told > 0 ? told : report.judged.size();
  for (size_t i = 0; i < last && report.chosen < 0; ++i)
    if (report.judged[i].plan) report.chosen = static_cast<int>(i);
  if (report.chosen < 0) {
    report.why =
        told > 0 ? "the layout that was asked for does not fit" : more_nodes(inputs, wishes);
    return report;
  }
  report.why = why_chosen(report, wishes);
  report.losses = count_losses(inputs, wishes);
  return report;
}

}  // namespace shoal::sharding
