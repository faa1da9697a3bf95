#include "launch/rank_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "launch/text_table.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

using coordinator::RankStatus;
using Row = std::vector<std::string>;

std::string range(int first, int count) {
  return count == 0 ? "-" : fmt::format("{}..{}", first, first + count - 1);
}

std::string place(const RankStatus& rank) {
  return fmt::format("stage {} ep {}", rank.place.stage, rank.place.ep_rank);
}

std::string seconds(double value) { return fmt::format("{:.3f}s", value); }

std::vector<std::string> classes(const coordinator::ClusterStatus& status) {
  std::vector<std::string> names;
  for (const RankStatus& rank : status.ranks)
    for (const auto& [name, bytes] : rank.bytes_by_class)
      if (bytes > 0 && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

uint64_t class_bytes(const RankStatus& rank, const std::string& name) {
  for (const auto& [known, bytes] : rank.bytes_by_class)
    if (known == name) return bytes;
  return 0;
}

nlohmann::ordered_json cache_json(const coordinator::CacheStatus& cache) {
  nlohmann::ordered_json ends = nlohmann::ordered_json::object();
  for (const auto& [why, count] : cache.ends) ends[why] = count;
  return {{"on", cache.on},
          {"hits", cache.hits},
          {"hit_tokens", cache.hit_tokens},
          {"evictions", cache.evictions},
          {"bytes", cache.bytes},
          {"texts", cache.texts},
          {"blocks", cache.blocks},
          {"pauses", cache.pauses},
          {"recomputed_tokens", cache.recomputed_tokens},
          {"ends", ends}};
}

}  // namespace

std::string held_table(const coordinator::ClusterStatus& status) {
  const std::vector<std::string> names = classes(status);
  Row heading = {"rank", "place", "state", "kernels", "layers", "experts", "weights"};
  for (const std::string& name : names) heading.push_back(printable(name));
  std::vector<Row> rows = {heading};
  for (const RankStatus& rank : status.ranks) {
    Row row = {std::to_string(rank.rank),
               place(rank),
               printable(rank.state),
               rank.kernels.empty() ? "-" : printable(rank.kernels),
               range(rank.first_layer, rank.num_layers),
               range(rank.first_expert, rank.num_experts),
               human_bytes(rank.weight_bytes)};
    for (const std::string& name : names) row.push_back(human_bytes(class_bytes(rank, name)));
    rows.push_back(std::move(row));
  }
  return text_table(rows);
}

std::string work_table(const coordinator::ClusterStatus& status) {
  std::vector<Row> rows = {{"rank",
                            "steps",
                            "tokens",
                            "expert rows",
                            "sent",
                            "received",
                            "attention",
                            "delta net",
                            "router",
                            "dispatch",
                            "experts",
                            "combine",
                            "sampling",
                            "idle"}};
  for (const RankStatus& rank : status.ranks) {
    const plan::RankStats& stats = rank.stats;
    rows.push_back({std::to_string(rank.rank),
                    grouped(stats.steps),
                    grouped(stats.tokens),
                    grouped(stats.expert_rows),
                    human_bytes(stats.bytes_sent),
                    human_bytes(stats.bytes_received),
                    seconds(stats.seconds_attention),
                    seconds(stats.seconds_delta_net),
                    seconds(stats.seconds_router),
                    seconds(stats.seconds_dispatch),
                    seconds(stats.seconds_expert),
                    seconds(stats.seconds_combine),
                    seconds(stats.seconds_sampling),
                    seconds(stats.seconds_idle)});
  }
  return text_table(rows);
}

nlohmann::ordered_json to_json(const coordinator::ClusterStatus& status) {
  auto ranks = nlohmann::ordered_json::array();
  for (const RankStatus& rank : status.ranks) {
    auto by_class = nlohmann::ordered_json::object();
    for (const auto& [name, bytes] : rank.bytes_by_class) by_class[printable(name)] = bytes;
    const plan::RankStats& stats = rank.stats;
    ranks.push_back({{"rank", rank.rank},
                     {"stage", rank.place.stage},
                     {"ep_rank", rank.place.ep_rank},
                     {"host", printable(rank.host)},
                     {"pid", rank.pid},
                     {"state", printable(rank.state)},
                     {"kernels", printable(rank.kernels)},
                     {"first_layer", rank.first_layer},
                     {"num_layers", rank.num_layers},
                     {"first_expert", rank.first_expert},
                     {"num_experts", rank.num_experts},
                     {"bytes_loaded", rank.bytes_loaded},
                     {"bytes_total", rank.bytes_total},
                     {"weight_bytes", rank.weight_bytes},
                     {"expert_bytes", rank.expert_bytes},
                     {"bytes_by_class", by_class},
                     {"steps", stats.steps},
                     {"tokens", stats.tokens},
                     {"expert_rows", stats.expert_rows},
                     {"bytes_sent", stats.bytes_sent},
                     {"bytes_received", stats.bytes_received},
                     {"seconds",
                      {{"attention", stats.seconds_attention},
                       {"delta_net", stats.seconds_delta_net},
                       {"router", stats.seconds_router},
                       {"dispatch", stats.seconds_dispatch},
                       {"experts", stats.seconds_expert},
                       {"combine", stats.seconds_combine},
                       {"sampling", stats.seconds_sampling},
                       {"idle", stats.seconds_idle}}}});
  }
  return {{"phase", coordinator::phase_name(status.phase)},
          {"epoch", status.epoch},
          {"last_step", status.last_step},
          {"running", status.running},
          {"waiting", status.waiting},
          {"blocks_used", status.blocks_used},
          {"blocks_total", status.blocks_total},
          {"paused", status.paused},
          {"prefix_cache", cache_json(status.cache)},
          {"prompt_tokens", status.prompt_tokens},
          {"tokens_generated", status.tokens_generated},
          {"requests_finished", status.requests_finished},
          {"requests_failed", status.requests_failed},
          {"ranks", ranks}};
}

}  // namespace shoal::launch
