#include "launch/plan_report.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

using nlohmann::ordered_json;
using sharding::Forecast;
using sharding::Judged;
using sharding::Rate;

const std::string& host_of(const PlanSubject& subject, int node) {
  return subject.inputs.hardware.nodes[static_cast<size_t>(node)].name;
}

ordered_json to_json(const Rate& rate) {
  ordered_json parts = ordered_json::object();
  for (size_t part = 0; part < sharding::kNumStepParts; ++part)
    if (rate.parts.seconds[part] > 0)
      parts[sharding::step_part_name(static_cast<sharding::StepPart>(part))] =
          rate.parts.seconds[part];
  return {{"tokens_per_second", rate.tokens_per_second},
          {"limit", sharding::step_part_name(rate.limit)},
          {"step_seconds", parts}};
}

ordered_json to_json(const Forecast& forecast) {
  ordered_json batch = to_json(forecast.batch);
  batch["sequences"] = forecast.sequences;
  return {{"load", {{"seconds", forecast.load_seconds}, {"limit", forecast.load_limit}}},
          {"decode_one", to_json(forecast.one)},
          {"decode_batch", batch},
          {"prompt", to_json(forecast.prompt)},
          {"prompts", to_json(forecast.prompts)}};
}

ordered_json to_json(const PlanSubject& subject, const RankBytes& rank) {
  ordered_json weights = ordered_json::object();
  for (size_t i = 0; i < sharding::kNumTensorClasses; ++i)
    if (rank.weights[i] > 0)
      weights[loader::tensor_class_name(static_cast<loader::TensorClass>(i))] = rank.weights[i];
  return {{"rank", rank.rank},
          {"host", printable(host_of(subject, rank.node))},
          {"stage", rank.stage},
          {"layers", {rank.first_layer, rank.end_layer}},
          {"experts", rank.num_experts},
          {"weights", weights},
          {"weight_bytes", rank.weight_bytes},
          {"kv_bytes", rank.kv},
          {"state_bytes", rank.state},
          {"scratch_bytes", rank.scratch},
          {"message_bytes", rank.messages},
          {"total_bytes", rank.total},
          {"free_bytes", rank.free}};
}

ordered_json nodes_json(const PlanSubject& subject, const std::vector<RankBytes>& ranks) {
  auto nodes = ordered_json::array();
  for (size_t node = 0; node < subject.inputs.hardware.nodes.size(); ++node) {
    uint64_t count = 0, weights = 0, total = 0, free = 0;
    for (const RankBytes& rank : ranks)
      if (rank.node == static_cast<int>(node))
        ++count, weights += rank.weight_bytes, total += rank.total, free += rank.free;
    nodes.push_back({{"host", printable(host_of(subject, static_cast<int>(node)))},
                     {"ranks", count},
                     {"weight_bytes", weights},
                     {"total_bytes", total},
                     {"free_bytes", free}});
  }
  return nodes;
}

ordered_json stages_json(const PlanSubject& subject, const Judged& judged) {
  auto stages = ordered_json::array();
  for (size_t stage = 0; stage < judged.layout.stages.size(); ++stage) {
    const sharding::StageSite& site = judged.layout.stages[stage];
    ordered_json row = {{"ep", site.ep()}};
    if (judged.plan)
      row["layers"] = judged.plan->first_layer[stage + 1] - judged.plan->first_layer[stage];
    row["host"] = site.crosses_nodes() ? ordered_json(nullptr)
                                       : ordered_json(printable(host_of(subject, site.nodes[0])));
    stages.push_back(std::move(row));
  }
  return stages;
}

ordered_json layouts_json(const PlanSubject& subject) {
  auto layouts = ordered_json::array();
  for (const Judged& judged : subject.report.judged) {
    ordered_json row = {
        {"name", judged.layout.stages.empty() ? "as asked" : layout_name(judged.layout)},
        {"ranks", judged.layout.num_ranks()},
        {"fits", judged.plan.has_value()},
        {"stages", stages_json(subject, judged)}};
    if (judged.plan)
      row["forecast"] = to_json(judged.forecast);
    else
      row["reason"] = judged.refusal.reason, row["would_fit"] = judged.would_fit;
    layouts.push_back(std::move(row));
  }
  return layouts;
}

ordered_json hosts_json(const sharding::ClusterHardware& hardware) {
  auto hosts = ordered_json::array();
  for (const sharding::NodeHardware& node : hardware.nodes)
    hosts.push_back({{"host", printable(node.name)},
                     {"devices", node.devices},
                     {"device", printable(node.device.name)},
                     {"memory_bytes", node.device.memory},
                     {"usable_bytes", usable_memory(node.device)}});
  return hosts;
}

}  // namespace

nlohmann::ordered_json plan_json(const PlanSubject& subject) {
  const bool fits = subject.report.chosen >= 0;
  ordered_json out = {{"model", printable(subject.inputs.config.name)},
                      {"total_bytes", subject.inputs.directory.total_bytes()},
                      {"hosts", hosts_json(subject.inputs.hardware)},
                      {"fits", fits},
                      {"why", subject.report.why},
                      {"layout", nullptr}};
  if (fits) {
    const Judged& judged = subject.report.judged[static_cast<size_t>(subject.report.chosen)];
    const std::vector<RankBytes> ranks = rank_bytes(subject);
    out["layout"] = {{"name", layout_name(judged.layout)},
                     {"stages", stages_json(subject, judged)}};
    out["context"] = judged.plan->max_context;
    out["max_sequences"] = subject.wishes.max_sequences;
    out["kv_blocks"] = judged.plan->num_blocks;
    out["ranks"] = ordered_json::array();
    for (const RankBytes& rank : ranks) out["ranks"].push_back(to_json(subject, rank));
    out["nodes"] = nodes_json(subject, ranks);
    out["sequences"] = ordered_json::array();
    for (const ContextRoom& room : context_room(subject))
      out["sequences"].push_back({{"context", room.context}, {"sequences", room.sequences}});
    out["forecast"] = to_json(judged.forecast);
    out["may_die"] = {{"ranks", subject.report.losses.ranks},
                      {"nodes", subject.report.losses.nodes}};
  }
  out["layouts"] = layouts_json(subject);
  out["assumptions"] = sharding::forecast_assumptions(subject.inputs.hardware);
  return out;
}

}  // namespace shoal::launch
