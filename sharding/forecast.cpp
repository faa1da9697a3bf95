#include "sharding/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "runtime/base/printable.h"
#include "sharding/memory_estimate.h"

namespace shoal::sharding {
namespace {

using loader::TensorClass;

constexpr double kLinkLatency = 24e-6;      // one call of an exchange inside a node
constexpr double kNetworkLatency = 110e-6;  // across nodes
constexpr double kHopLatency = 30e-6;
constexpr double kDeviceCopy = 10e9;  // page cache to device, each
constexpr int64_t kDepth = 4096;      // tokens that a decoding sequence looks back on

// Of the layers of a stage, and lm_head on the last.
struct StageWork {
  int layers = 0;
  double dense_bytes = 0, dense_params = 0;    // read for every step, whoever the tokens are
  double expert_bytes = 0, expert_params = 0;  // one expert of each layer
  double cache_bytes = 0;                      // KV and states of one sequence's next token
};

struct Tokens {
  double stage = 1;  // through the stage in one step
  double own = 1;    // of them on the busiest rank
  bool decode = true;
};

class StageClock {
 public:
  StageClock(const ForecastInputs& inputs, const Layout& layout, const ShardPlan& plan)
      : config_(inputs.config), hardware_(inputs.hardware), layout_(layout) {
    for (int stage = 0; stage < plan.grid.num_stages(); ++stage) {
      const auto s = static_cast<size_t>(stage);
      const LayerRange range{plan.first_layer[s], plan.first_layer[s + 1]};
      StageWork work;
      work.layers = range.end - range.begin;
      work.cache_bytes = 2.0 * static_cast<double>(state_slot_bytes(config_, range)) +
                         static_cast<double>(kv_block_bytes(config_, range, 1)) * kDepth;
      work_.push_back(work);
    }
    for (const loader::TensorInfo& tensor : inputs.directory.tensors()) add(tensor, plan);
  }

  // What the stage does between its first and last layer, and sending its rows on.
  StepTime step(int stage, const Tokens& tokens) const {
    const auto s = static_cast<size_t>(stage);
    const StageWork& work = work_[s];
    const StageSite& site = layout_.stages[s];
    const DeviceKind device = slowest_device(site);
    const double rate =
        device.bandwidth * (tokens.stage > 1 ? device.batch_share : device.one_share);
    StepTime time;
    time[StepPart::kDense] = work.dense_bytes / rate;
    time[StepPart::kExperts] =
        work.expert_bytes * experts_of_busiest(tokens.stage, site.ep()) / rate;
    time[StepPart::kCache] = tokens.decode ? tokens.own * work.cache_bytes / rate : 0;
    time[StepPart::kLaunches] = work.layers * device.layer_seconds;
    time[StepPart::kExchange] = exchange(work, site, tokens);
    time[StepPart::kHops] = hop(stage, tokens);
    const double flops = 2 * (tokens.own * work.dense_params +
                              tokens.stage * config_.num_topk / site.ep() * work.expert_params);
    const double arithmetic = flops / device.prefill_flops;
    const double memory =
        time[StepPart::kDense] + time[StepPart::kExperts] + time[StepPart::kCache];
    // Reading and computing overlap: the longer one counts.
    if (device.prefill_flops > 0 && arithmetic > memory) {
      time[StepPart::kDense] = time[StepPart::kExperts] = time[StepPart::kCache] = 0;
      time[StepPart::kArithmetic] = arithmetic;
    }
    return time;
  }

 private:
  void add(const loader::TensorInfo& tensor, const ShardPlan& plan) {
    const TensorClass kind = loader::tensor_class(tensor);
    int layer = loader::tensor_layer(tensor);
    const bool head = kind == TensorClass::kLmHead ||
                      (kind == TensorClass::kEmbedding && config_.tied_embeddings);
    if (head) layer = config_.num_layers - 1;
    if (layer < 0 || layer >= config_.num_layers) return;
    const auto next = std::upper_bound(plan.first_layer.begin(), plan.first_layer.end(), layer);
    StageWork& work = work_[static_cast<size_t>(next - plan.first_layer.begin()) - 1];
    const auto bytes = static_cast<double>(tensor.bytes);
    const auto params = static_cast<double>(tensor.elements());
    if (kind == TensorClass::kRoutedExpert) {
      work.expert_bytes += bytes / config_.num_experts;
      work.expert_params += params / config_.num_experts;
    } else {
      work.dense_bytes += bytes;
      if (!head) work.dense_params += params;  // one row a sequence, not a token
    }
  }

  DeviceKind slowest_device(const StageSite& site) const {
    const auto slowest = std::min_element(site.nodes.begin(), site.nodes.end(), [&](int a, int b) {
      return node(a).device.bandwidth < node(b).device.bandwidth;
    });
    return node(*slowest).device;
  }

  // Different experts that `tokens` rows choose, on the rank that has most of them: the mean, and
  // for several ranks what the fullest of them has above it.
  double experts_of_busiest(double tokens, int ep) const {
    const double experts = config_.num_experts;
    const double touched = experts * (1 - std::pow(1 - config_.num_topk / experts, tokens));
    if (ep == 1) return touched;
    const double mean = touched / ep;
    return std::min(std::ceil(experts / ep), mean + std::sqrt(2 * mean * std::log(ep)));
  }

  // Rows go out as int8 with scales, results come back as f32.
  double exchange(const StageWork& work, const StageSite& site, const Tokens& tokens) const {
    if (site.ep() == 1) return 0;
    const double copies = std::min<double>(config_.num_topk, site.ep() - 1);
    const double bytes =
        tokens.own * copies * static_cast<double>(config_.hidden_size) * (1.125 + 4) / 2;
    double rate = 0, latency = kLinkLatency;
    if (site.crosses_nodes()) {
      const auto here = std::count(site.nodes.begin(), site.nodes.end(), site.nodes.front());
      rate = node(site.nodes.front()).network / static_cast<double>(here);
      latency = kNetworkLatency;
    } else {
      rate = node(site.nodes.front()).link;
    }
    return work.layers * 2 * (latency + bytes / rate);
  }

  double hop(int stage, const Tokens& tokens) const {
    const auto s = static_cast<size_t>(stage);
    if (s + 1 == layout_.stages.size()) return 0;
    const int from = layout_.stages[s].nodes.back(), to = layout_.stages[s + 1].nodes.front();
    const double rate =
        from == to ? node(from).link : std::min(node(from).network, node(to).network);
    return kHopLatency + tokens.stage * static_cast<double>(config_.hidden_size) * 4 / rate;
  }

  const NodeHardware& node(int index) const { return hardware_.nodes[static_cast<size_t>(index)]; }

  const loader::ModelConfig& config_;
  const ClusterHardware& hardware_;
  const Layout& layout_;
  std::vector<StageWork> work_;
};

double ceil_divide(double a, double b) { return std::ceil(a / b); }

// A round of `batches` groups of tokens through all stages; groups follow each other.
Rate pipeline_rate(const StageClock& clock, const Layout& layout, int batches, const Tokens& each) {
  StepTime sum, slowest;
  for (int stage = 0; stage < static_cast<int>(layout.stages.size()); ++stage) {
    Tokens tokens = each;
    if (each.own == 0)
      tokens.own = ceil_divide(each.stage, layout.stages[static_cast<size_t>(stage)].ep());
    const StepTime time = clock.step(stage, tokens);
    for (size_t part = 0; part < kNumStepParts; ++part) sum.seconds[part] += time.seconds[part];
    if (time.total() > slowest.total()) slowest = time;
  }
  const bool filled = batches * slowest.total() > sum.total();
  Rate rate;
  rate.parts = filled ? slowest : sum;
  rate.limit = rate.parts.limit();
  rate.tokens_per_second =
      batches * each.stage / (filled ? batches * slowest.total() : sum.total());
  return rate;
}

// Every byte is read once on each node that needs it.
std::map<int, uint64_t> bytes_by_node(const ForecastInputs& inputs,
                                      const Layout& layout,
                                      const ShardPlan& plan) {
  std::map<int, uint64_t> bytes;
  int rank = 0;
  for (const StageSite& site : layout.stages) {
    std::set<int> dense;
    for (const int node : site.nodes) {
      const RankShare& share = plan.ranks[static_cast<size_t>(rank++)];
      bytes[node] += share.expert_bytes;
      if (dense.insert(node).second) bytes[node] += share.weight_bytes - share.expert_bytes;
    }
  }
  (void)inputs;
  return bytes;
}

void forecast_load(const ForecastInputs& inputs,
                   const Layout& layout,
                   const ShardPlan& plan,
                   Forecast& out) {
  const auto take = [&out](double seconds, std::string limit) {
    if (seconds <= out.load_seconds) return;
    out.load_seconds = seconds;
    out.load_limit = std::move(limit);
  };
  double shared = 0;
  for (const auto& [node, bytes] : bytes_by_node(inputs, layout, plan)) {
    const NodeHardware& hardware = inputs.hardware.nodes[static_cast<size_t>(node)];
    if (hardware.disk > 0)
      take(static_cast<double>(bytes) / hardware.disk,
           fmt::format("the disk of {}", printable(hardware.name)));
    else
      shared += static_cast<double>(bytes);
  }
  take(shared / inputs.hardware.shared_disk, "the shared disk");
  for (const RankShare& share : plan.ranks)
    take(static_cast<double>(share.weight_bytes) / kDeviceCopy, "copies to the devices");
}

}  // namespace

const char* step_part_name(StepPart part) {
  switch (part) {
    case StepPart::kDense:
      return "reading dense weights";
    case StepPart::kExperts:
      return "reading experts";
    case StepPart::kCache:
      return "reading KV and states";
    case StepPart::kArithmetic:
      return "arithmetic";
    case StepPart::kLaunches:
      return "launches";
    case StepPart::kExchange:
      return "exchanges between ranks";
    case StepPart::kHops:
      return "hops between stages";
  }
  return "";
}

double StepTime::total() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

StepPart StepTime::limit() const {
  return static_cast<StepPart>(std::max_element(seconds.begin(), seconds.end()) - seconds.begin());
}

Forecast forecast(const ForecastInputs& inputs,
                  const Layout& layout,
                  const ShardPlan& plan,
                  int sequences) {
  const StageClock clock(inputs, layout, plan);
  Forecast out;
  forecast_load(inputs, layout, plan, out);
  const int stages = static_cast<int>(layout.stages.size());
  out.sequences = sequences;
  out.one = pipeline_rate(clock, layout, 1, {.stage = 1, .own = 1});
  const int batches = std::min(stages, sequences);
  out.batch =
      pipeline_rate(clock, layout, batches, {.stage = ceil_divide(sequences, batches), .own = 0});
  // The last group may be smaller.
  out.batch.tokens_per_second *= sequences / (batches * ceil_divide(sequences, batches));
  const double chunk = plan.max_batch_tokens;
  out.prompt = pipeline_rate(clock, layout, 1, {.stage = chunk, .own = chunk, .decode = false});
  const std::vector<int> widths = layout.widths();
  const double all = chunk * *std::min_element(widths.begin(), widths.end());
  out.prompts = pipeline_rate(clock, layout, stages, {.stage = all, .own = 0, .decode = false});
  return out;
}

std::vector<std::string> forecast_assumptions(const ClusterHardware& hardware) {
  std::vector<std::string> lines;
  std::set<std::string> seen;
  const auto add = [&](std::string line) {
    if (seen.insert(line).second) lines.push_back(std::move(line));
  };
  for (const NodeHardware& node : hardware.nodes) {
    const DeviceKind& device = node.device;
    add(
        fmt::format("{}: {} of memory, {} of it kept free; {}/s of memory rate; {:.0f} TFLOP/s in "
                    "prompts ({})",
                    printable(device.name),
                    human_bytes(device.memory),
                    human_bytes(device.reserve),
                    human_bytes(static_cast<uint64_t>(device.bandwidth)),
                    device.prefill_flops / 1e12,
                    device.measured ? "measured" : "from the vendor's or the file's figures"));
    add(
        fmt::format("{}: a lone sequence reaches {:.0f} % of the memory rate, several {:.0f} %; a "
                    "layer costs {:.0f} us of launches (fitted to one H100)",
                    printable(device.name),
                    device.one_share * 100,
                    device.batch_share * 100,
                    device.layer_seconds * 1e6));
    add(fmt::format("{}/s between devices of a node, {}/s between nodes",
                    human_bytes(static_cast<uint64_t>(node.link)),
                    human_bytes(static_cast<uint64_t>(node.network))));
    if (node.disk > 0)
      add(fmt::format("{} reads its own disk at {}/s",
                      printable(node.name),
                      human_bytes(static_cast<uint64_t>(node.disk))));
    else
      add(fmt::format("one shared disk gives {}/s to all nodes together",
                      human_bytes(static_cast<uint64_t>(hardware.shared_disk))));
  }
  add(fmt::format(
      "an exchange takes {:.0f} us inside a node and {:.0f} us across nodes besides its "
      "bytes, twice a layer (others' measurements, not shoal's); a hop between stages "
      "{:.0f} us (assumed)",
      kLinkLatency * 1e6,
      kNetworkLatency * 1e6,
      kHopLatency * 1e6));
  add(
      fmt::format("weights come to a device at {}/s; each byte is read from disk once a node that "
                  "needs it",
                  human_bytes(static_cast<uint64_t>(kDeviceCopy))));
  add(fmt::format(
      "decoding sequences look back on {} tokens; routing is uniform and the fullest rank "
      "has sqrt(2 m ln ep) experts above the mean m",
      kDepth));
  return lines;
}

}  // namespace shoal::sharding
