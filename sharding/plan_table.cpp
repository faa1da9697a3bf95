#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "runtime/base/printable.h"
#include "sharding/shard_plan.h"

namespace shoal::sharding {
namespace {

std::string range_text(int begin, int end) {
  return begin == end       ? "-"
         : end - begin == 1 ? fmt::format("{}", begin)
                            : fmt::format("{}-{}", begin, end - 1);
}

// Ids as runs: "0-5", "0-2,8".
std::string runs_text(std::span<const int> ids) {
  std::string out;
  for (size_t begin = 0; begin < ids.size();) {
    size_t end = begin + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    if (!out.empty()) out += ',';
    out += range_text(ids[begin], ids[end - 1] + 1);
    begin = end;
  }
  return out.empty() ? "-" : out;
}

}  // namespace

std::string to_table(const ShardPlan& plan) {
  std::string out;
  const auto add = [&out]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  };
  constexpr const char* kRow =
      "{:>4}  {:>5}  {:>8}  {:>9}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}\n";
  add(kRow,
      "rank",
      "stage",
      "layers",
      "experts",
      "weights",
      "(experts)",
      "KV",
      "state",
      "scratch",
      "total");
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const RankGrid::Place place = plan.grid.place(rank);
    const auto stage = static_cast<size_t>(place.stage);
    const RankShare& share = plan.ranks[static_cast<size_t>(rank)];
    add(kRow,
        rank,
        place.stage,
        range_text(plan.first_layer[stage], plan.first_layer[stage + 1]),
        runs_text(plan.experts[stage].experts(place.ep_rank)),
        human_bytes(share.weight_bytes),
        human_bytes(share.expert_bytes),
        human_bytes(share.kv_bytes),
        human_bytes(share.state_bytes),
        human_bytes(share.scratch_bytes),
        human_bytes(share.weight_bytes + share.kv_bytes + share.state_bytes + share.scratch_bytes));
  }
  add("dense tensors: {}\n",
      plan.dense == DenseSplit::kReplicated ? "replicated in each stage" : "cut by output rows");
  add("KV: {} blocks of {} tokens and {} sequence slots in each of {} pools; {} tokens a sequence, "
      "{} tokens a step on a rank\n",
      plan.num_blocks,
      plan.block_size,
      plan.num_slots,
      plan.grid.num_home_groups(),
      plan.max_context,
      plan.max_batch_tokens);
  if (plan.num_checkpoints == 0)
    add("prefix cache: off\n");
  else
    add("prefix cache: {} states in each pool\n", plan.num_checkpoints);
  return out;
}

}  // namespace shoal::sharding
