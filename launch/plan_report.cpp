#include "launch/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "launch/text_table.h"
#include "runtime/base/printable.h"
#include "sharding/memory_estimate.h"

namespace shoal::launch {
namespace {

using sharding::Forecast;
using sharding::Judged;
using sharding::Rate;
using sharding::StepPart;
using Row = std::vector<std::string>;

constexpr std::array<int64_t, 5> kContexts = {4096, 16384, 65536, 131072, 262144};

const Judged& chosen(const PlanSubject& subject) {
  return subject.report.judged[static_cast<size_t>(subject.report.chosen)];
}

const std::string& host_name(const PlanSubject& subject, int node) {
  return subject.inputs.hardware.nodes[static_cast<size_t>(node)].name;
}

std::string span_text(int first, int last) {
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

// Runs of ranks that hold the same are one row.
bool alike(const RankBytes& a, const RankBytes& b) {
  return a.node == b.node && a.stage == b.stage && a.num_experts == b.num_experts &&
         a.total == b.total;
}

std::string rank_table(const PlanSubject& subject) {
  const std::vector<RankBytes> ranks = rank_bytes(subject);
  Row heading = {"ranks", "host", "stage", "layers", "experts"};
  std::vector<size_t> classes;
  for (size_t i = 0; i < sharding::kNumTensorClasses; ++i)
    if (std::any_of(
            ranks.begin(), ranks.end(), [i](const RankBytes& rank) { return rank.weights[i] > 0; }))
      classes.push_back(i);
  for (const size_t i : classes)
    heading.emplace_back(loader::tensor_class_name(static_cast<loader::TensorClass>(i)));
  for (const char* title : {"KV", "states", "scratch", "messages", "total", "free"})
    heading.emplace_back(title);
  std::vector<Row> rows = {heading};
  for (size_t begin = 0; begin < ranks.size();) {
    size_t end = begin + 1;
    while (end < ranks.size() && alike(ranks[begin], ranks[end])) ++end;
    const RankBytes& rank = ranks[begin];
    Row row = {span_text(rank.rank, ranks[end - 1].rank),
               printable(host_name(subject, rank.node)),
               std::to_string(rank.stage),
               span_text(rank.first_layer, rank.end_layer - 1),
               std::to_string(rank.num_experts)};
    for (const size_t i : classes) row.push_back(human_bytes(rank.weights[i]));
    for (const uint64_t bytes :
         {rank.kv, rank.state, rank.scratch, rank.messages, rank.total, rank.free})
      row.push_back(human_bytes(bytes));
    rows.push_back(std::move(row));
    begin = end;
  }
  return text_table(rows);
}

std::string node_table(const PlanSubject& subject) {
  std::vector<Row> rows = {{"host", "ranks", "weights", "all", "free"}};
  const std::vector<RankBytes> ranks = rank_bytes(subject);
  for (size_t node = 0; node < subject.inputs.hardware.nodes.size(); ++node) {
    uint64_t weights = 0, total = 0, free = 0;
    int count = 0;
    for (const RankBytes& rank : ranks) {
      if (rank.node != static_cast<int>(node)) continue;
      ++count;
      weights += rank.weight_bytes, total += rank.total, free += rank.free;
    }
    rows.push_back({printable(host_name(subject, static_cast<int>(node))),
                    std::to_string(count),
                    human_bytes(weights),
                    human_bytes(total),
                    human_bytes(free)});
  }
  return text_table(rows);
}

std::string room_table(const PlanSubject& subject) {
  std::vector<Row> rows = {{"tokens a sequence", "sequences"}};
  for (const ContextRoom& room : context_room(subject))
    rows.push_back({grouped(static_cast<uint64_t>(room.context)),
                    grouped(static_cast<uint64_t>(room.sequences))});
  return text_table(rows);
}

std::string rate_text(double tokens) {
  return tokens < 100 ? fmt::format("{:.1f}", tokens)
                      : grouped(static_cast<uint64_t>(tokens + 0.5));
}

std::string forecast_table(const Forecast& forecast) {
  std::vector<Row> rows = {{"forecast", "", "limit"}};
  rows.push_back({"load", fmt::format("{:.0f} s", forecast.load_seconds), forecast.load_limit});
  const auto add = [&rows](std::string what, const Rate& rate) {
    rows.push_back({std::move(what),
                    rate_text(rate.tokens_per_second) + " tok/s",
                    step_part_name(rate.limit)});
  };
  add("decode, one sequence", forecast.one);
  add(fmt::format("decode, {} sequences", forecast.sequences), forecast.batch);
  add("prefill, one prompt", forecast.prompt);
  add("prefill, many prompts", forecast.prompts);
  return text_table(rows);
}

std::string parts_table(const Forecast& forecast) {
  std::vector<Row> rows = {{"ms of a step", "one", "batch", "prompt", "prompts"}};
  for (size_t part = 0; part < sharding::kNumStepParts; ++part) {
    Row row = {sharding::step_part_name(static_cast<StepPart>(part))};
    for (const Rate* rate : {&forecast.one, &forecast.batch, &forecast.prompt, &forecast.prompts})
      row.push_back(fmt::format("{:.2f}", rate->parts.seconds[part] * 1e3));
    rows.push_back(std::move(row));
  }
  return text_table(rows);
}

// The layouts beside the chosen one.
std::string layout_lines(const PlanSubject& subject) {
  std::string text;
  for (size_t i = 0; i < subject.report.judged.size(); ++i) {
    const Judged& judged = subject.report.judged[i];
    const std::string name = judged.layout.stages.empty() ? "as asked" : layout_name(judged.layout);
    if (judged.plan) {
      text += fmt::format("  {} {}, {} ranks: {} tok/s alone, {} tok/s for {} sequences\n",
                          static_cast<int>(i) == subject.report.chosen ? "chosen " : "fits   ",
                          name,
                          judged.layout.num_ranks(),
                          rate_text(judged.forecast.one.tokens_per_second),
                          rate_text(judged.forecast.batch.tokens_per_second),
                          judged.forecast.sequences);
      continue;
    }
    text += fmt::format("  refused {}: {}\n", name, judged.refusal.reason);
    if (!judged.would_fit.empty())
      text += fmt::format("          would fit: {}\n", judged.would_fit);
  }
  return text;
}

// What a cluster file says to get this split.
std::string stages_yaml(const PlanSubject& subject) {
  const Judged& judged = chosen(subject);
  std::string text = "stages:\n";
  for (size_t stage = 0; stage < judged.layout.stages.size(); ++stage) {
    const sharding::StageSite& site = judged.layout.stages[stage];
    text += fmt::format("  - {{ep: {}, layers: {}",
                        site.ep(),
                        judged.plan->first_layer[stage + 1] - judged.plan->first_layer[stage]);
    if (!site.crosses_nodes())
      text += fmt::format(", host: {}", printable(host_name(subject, site.nodes.front())));
    text += "}\n";
  }
  return text;
}

std::string model_line(const PlanSubject& subject) {
  int64_t params = 0;
  for (const loader::TensorInfo& tensor : subject.inputs.directory.tensors())
    params += tensor.elements();
  return fmt::format("{}: {} in {} files, {:.1f} billion parameters\n",
                     printable(subject.inputs.config.name),
                     human_bytes(subject.inputs.directory.total_bytes()),
                     subject.inputs.directory.shards().size(),
                     static_cast<double>(params) / 1e9);
}

std::string host_lines(const PlanSubject& subject) {
  std::string text;
  for (const sharding::NodeHardware& node : subject.inputs.hardware.nodes)
    text += fmt::format("  {}: {} x {} of {}\n",
                        printable(node.name),
                        node.devices,
                        printable(node.device.name),
                        human_bytes(node.device.memory));
  return text;
}

}  // namespace

std::vector<RankBytes> rank_bytes(const PlanSubject& subject) {
  const Judged& judged = chosen(subject);
  const sharding::ShardPlan& plan = *judged.plan;
  std::vector<RankBytes> ranks;
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const sharding::RankGrid::Place place = plan.grid.place(rank);
    const auto stage = static_cast<size_t>(place.stage);
    const sharding::RankShare& share = plan.ranks[static_cast<size_t>(rank)];
    RankBytes row{
        .rank = rank,
        .node = judged.layout.stages[stage].nodes[static_cast<size_t>(place.ep_rank)],
        .stage = place.stage,
        .first_layer = plan.first_layer[stage],
        .end_layer = plan.first_layer[stage + 1],
        .num_experts = static_cast<int>(plan.experts[stage].experts(place.ep_rank).size()),
        .weights = class_bytes(subject.inputs.directory, share),
        .weight_bytes = share.weight_bytes,
        .kv = share.kv_bytes,
        .state = share.state_bytes,
        .scratch = share.scratch_bytes,
        .messages = sharding::exchange_bytes(
            subject.inputs.config, plan.grid.ep(place.stage), plan.max_batch_tokens),
        .total = bytes_in_use(subject.inputs.config, plan, rank)};
    const uint64_t memory = judged.cluster.memory_of(place.stage).value_or(0);
    row.free = memory > row.total ? memory - row.total : 0;
    ranks.push_back(row);
  }
  return ranks;
}

std::vector<ContextRoom> context_room(const PlanSubject& subject) {
  const Judged& judged = chosen(subject);
  std::vector<ContextRoom> rooms;
  for (const int64_t context : kContexts)
    if (context <= subject.inputs.config.context_length)
      rooms.push_back(
          {context,
           max_sequences_at(subject.inputs.config, *judged.plan, judged.cluster, context)});
  return rooms;
}

std::string plan_text(const PlanSubject& subject, PlanDetail detail) {
  std::string text = model_line(subject) + host_lines(subject) + "\n";
  if (subject.report.chosen >= 0) {
    const Judged& judged = chosen(subject);
    text += fmt::format("layout: {}\n  {}\n\n", layout_name(judged.layout), subject.report.why);
    text += rank_table(subject) + "\n" + node_table(subject) + "\n";
    text += fmt::format(
        "pools for {} sequences of {} tokens: {} KV blocks of {} tokens in each of {}\n\n",
        subject.wishes.max_sequences,
        judged.plan->max_context,
        judged.plan->num_blocks,
        judged.plan->block_size,
        judged.plan->grid.num_home_groups());
    text += room_table(subject) + "\n" + forecast_table(judged.forecast) + "\n";
    if (detail == PlanDetail::kExplained) text += parts_table(judged.forecast) + "\n";
    text +=
        fmt::format("may die and the rest still hold the model: any {} rank{}, {} whole host{}\n\n",
                    subject.report.losses.ranks,
                    subject.report.losses.ranks == 1 ? "" : "s",
                    subject.report.losses.nodes,
                    subject.report.losses.nodes == 1 ? "" : "s");
  } else {
    text += fmt::format("does not fit: {}\n\n", subject.report.why);
  }
  text += "layouts\n" + layout_lines(subject) + "\nassumptions\n";
  for (const std::string& line : sharding::forecast_assumptions(subject.inputs.hardware))
    text += "  " + line + "\n";
  if (subject.report.chosen >= 0) text += "\nfor a cluster file\n" + stages_yaml(subject);
  return text;
}

}  // namespace shoal::launch
