#include "sharding/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "runtime/base/printable.h"
#include "sharding/memory_estimate.h"

namespace shoal::sharding {
namespace {

using loader::ByteRange;
using loader::ModelConfig;
using loader::TensorClass;
using loader::TensorDirectory;
using loader::TensorInfo;

// More than these are not worth searching.
constexpr uint64_t kMaxStatesASequence = 64;

std::optional<Refusal> refuse_usage(std::string reason) { return Refusal{std::move(reason), true}; }

// What is said for each stage, where it is said.
std::optional<Refusal> check_stages(const ModelConfig& config, const ClusterSpec& cluster) {
  const size_t stages = cluster.ep_per_stage.size();
  if (!cluster.stage_memory.empty() && cluster.stage_memory.size() != stages)
    return refuse_usage(
        fmt::format("memory of {} stages for {}", cluster.stage_memory.size(), stages));
  const std::vector<int>& layers = cluster.layers_per_stage;
  if (layers.empty()) return std::nullopt;
  if (layers.size() != stages)
    return refuse_usage(fmt::format("layers of {} stages for {}", layers.size(), stages));
  int64_t sum = 0;
  for (const int count : layers) {
    if (count < 1) return refuse_usage(fmt::format("a stage of {} layers: at least 1", count));
    sum += count;
  }
  if (sum != config.num_layers)
    return refuse_usage(
        fmt::format("the stages hold {} layers, the model has {}", sum, config.num_layers));
  return std::nullopt;
}

std::optional<Refusal> check_request(const ModelConfig& config, const ClusterSpec& cluster) {
  const auto& widths = cluster.ep_per_stage;
  if (widths.empty()) return refuse_usage("no pipeline stage: at least one is needed");
  if (static_cast<int64_t>(widths.size()) > config.num_layers)
    return refuse_usage(fmt::format("{} pipeline stages for {} layers: use at most {}",
                                    widths.size(),
                                    config.num_layers,
                                    config.num_layers));
  for (size_t stage = 0; stage < widths.size(); ++stage) {
    if (widths[stage] < 1)
      return refuse_usage(
          fmt::format("stage {} has {} ranks: at least 1 is needed", stage, widths[stage]));
    if (widths[stage] > config.num_experts)
      return refuse_usage(
          fmt::format("stage {} has {} ranks for {} experts: use at most {} ranks in a stage",
                      stage,
                      widths[stage],
                      config.num_experts,
                      config.num_experts));
  }
  if (auto refusal = check_stages(config, cluster)) return refusal;
  if (cluster.context < 0 || cluster.context > config.context_length)
    return refuse_usage(fmt::format(
        "context of {} tokens: the model allows 1 to {}", cluster.context, config.context_length));
  if (cluster.max_sequences < 1)
    return refuse_usage(fmt::format("{} sequences: at least 1 is needed", cluster.max_sequences));
  if (cluster.max_batch_tokens < 1)
    return refuse_usage(
        fmt::format("{} tokens in a step: at least 1 is needed", cluster.max_batch_tokens));
  return std::nullopt;
}

std::vector<int> spread_layers(int num_layers, const ClusterSpec& cluster) {
  const auto num_stages = static_cast<int>(cluster.ep_per_stage.size());
  std::vector<int> first = {0};
  for (const int count : cluster.layers_per_stage) first.push_back(first.back() + count);
  if (!cluster.layers_per_stage.empty()) return first;
  for (int stage = 0; stage < num_stages; ++stage)
    first.push_back(first.back() + num_layers / num_stages + (stage < num_layers % num_stages));
  return first;
}

// Whether a tensor that belongs to no layer is used by a stage.
bool stage_uses(const ModelConfig& config, const TensorInfo& tensor, int stage, int num_stages) {
  const bool first = stage == 0, last = stage == num_stages - 1;
  if (tensor.name == "token_embd.weight") return first || (last && config.tied_embeddings);
  if (tensor.name == "output.weight" || tensor.name == "output.scale" ||
      tensor.name == "output_norm.weight")
    return last;
  return false;
}

// What a tensor's name says, read once for all ranks.
struct NamedTensor {
  int layer = -1;
  bool routed_expert = false;
};

std::vector<NamedTensor> read_names(const TensorDirectory& directory) {
  std::vector<NamedTensor> names;
  names.reserve(directory.tensors().size());
  for (const TensorInfo& tensor : directory.tensors())
    names.push_back(
        {loader::tensor_layer(tensor), loader::tensor_class(tensor) == TensorClass::kRoutedExpert});
  return names;
}

uint64_t add_slice(RankShare& share, const TensorInfo& tensor, const TensorSlice& slice) {
  const uint64_t bytes = loader::outer_range(tensor, slice.outer_begin, slice.outer_end).bytes;
  share.weight_bytes += bytes;
  share.slices.push_back(slice);
  return bytes;
}

// One slice for every run of neighbouring experts.
void add_expert_slices(RankShare& share,
                       const TensorInfo& tensor,
                       TensorSlice slice,
                       std::span<const int> experts) {
  for (size_t begin = 0; begin < experts.size();) {
    size_t end = begin + 1;
    while (end < experts.size() && experts[end] == experts[end - 1] + 1) ++end;
    slice.outer_begin = experts[begin];
    slice.outer_end = experts[end - 1] + 1;
    share.expert_bytes += add_slice(share, tensor, slice);
    begin = end;
  }
}

std::optional<Refusal> check_expert_tensors(const TensorDirectory& directory,
                                            const std::vector<NamedTensor>& names,
                                            const ModelConfig& config) {
  for (size_t i = 0; i < names.size(); ++i) {
    const TensorInfo& tensor = directory.tensors()[i];
    if (names[i].routed_expert && tensor.outer() != config.num_experts)
      return Refusal{fmt::format("tensor {} holds {} experts where the model has {}",
                                 printable(tensor.name),
                                 tensor.outer(),
                                 config.num_experts)};
  }
  return std::nullopt;
}

// What all ranks' shares are made from.
struct Source {
  const TensorDirectory& directory;
  const ModelConfig& config;
  std::vector<NamedTensor> names;
  Backend backend;
};

RankShare weights_of(const Source& source, const ShardPlan& plan, RankGrid::Place place) {
  RankShare share;
  const auto stage = static_cast<size_t>(place.stage);
  for (size_t i = 0; i < source.directory.tensors().size(); ++i) {
    const TensorInfo& tensor = source.directory.tensors()[i];
    const TensorSlice whole{static_cast<int>(i), 0, tensor.outer(), source.backend};
    const int layer = source.names[i].layer;
    if (layer < 0) {
      if (stage_uses(source.config, tensor, place.stage, plan.grid.num_stages()))
        add_slice(share, tensor, whole);
      continue;
    }
    if (layer < plan.first_layer[stage] || layer >= plan.first_layer[stage + 1]) continue;
    if (source.names[i].routed_expert)
      add_expert_slices(share, tensor, whole, plan.experts[stage].experts(place.ep_rank));
    else
      add_slice(share, tensor, whole);
  }
  return share;
}

// Memory of a rank without its KV blocks, and one block of it.
struct Footprint {
  uint64_t fixed = 0;
  uint64_t block = 0;
};

LayerRange layers_of(const ShardPlan& plan, int stage) {
  return {plan.first_layer[static_cast<size_t>(stage)],
          plan.first_layer[static_cast<size_t>(stage) + 1]};
}

RankShare share_of(const Source& source, const ShardPlan& plan, RankGrid::Place place) {
  const ModelConfig& config = source.config;
  RankShare share = weights_of(source, plan, place);
  const auto& placement = plan.experts[static_cast<size_t>(place.stage)];
  share.state_bytes = state_slot_bytes(config, layers_of(plan, place.stage)) *
                      static_cast<uint64_t>(plan.num_slots);
  share.scratch_bytes =
      scratch_bytes(config,
                    {.backend = source.backend,
                     .ep = plan.grid.ep(place.stage),
                     .num_local_experts = static_cast<int>(placement.experts(place.ep_rank).size()),
                     .max_batch_tokens = plan.max_batch_tokens,
                     .max_sequences = plan.num_slots,
                     .last_stage = place.stage == plan.grid.num_stages() - 1});
  return share;
}

// Everything but KV blocks.
uint64_t fixed_bytes(const RankShare& share,
                     const ModelConfig& config,
                     const ShardPlan& plan,
                     int stage) {
  return share.weight_bytes + share.state_bytes + share.scratch_bytes +
         exchange_bytes(config, plan.grid.ep(stage), plan.max_batch_tokens);
}

// Sets num_checkpoints and max_cache_bytes, and adds the checkpoints to state_bytes.
void size_cache(ShardPlan& plan, const ModelConfig& config, const ClusterSpec& cluster) {
  const int64_t blocks_per_sequence = (plan.max_context - 1) / plan.block_size + 1;
  uint64_t most = cluster.cache_memory ? uint64_t{kMaxStatesASequence} : 2;
  most *= static_cast<uint64_t>(plan.num_slots);
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const RankShare& share = plan.ranks[static_cast<size_t>(rank)];
    const int stage = plan.grid.place(rank).stage;
    const LayerRange layers = layers_of(plan, stage);
    const uint64_t slot = state_slot_bytes(config, layers);
    if (slot == 0) continue;
    if (cluster.cache_memory) most = std::min(most, *cluster.cache_memory / slot);
    const auto memory = cluster.memory_of(stage);
    if (!memory) continue;
    const uint64_t needed =
        fixed_bytes(share, config, plan, stage) + kv_block_bytes(config, layers, plan.block_size) *
                                                      static_cast<uint64_t>(blocks_per_sequence);
    const uint64_t left = *memory > needed ? *memory - needed : 0;
    most = std::min(most, left / 4 / slot);
  }
  plan.num_checkpoints = static_cast<int>(most);
  plan.max_cache_bytes = std::numeric_limits<uint64_t>::max();
  if (cluster.cache_memory)
    plan.max_cache_bytes = *cluster.cache_memory * static_cast<uint64_t>(plan.grid.num_stages());
  for (int rank = 0; rank < plan.grid.world_size(); ++rank)
    plan.ranks[static_cast<size_t>(rank)].state_bytes +=
        most * state_slot_bytes(config, layers_of(plan, plan.grid.place(rank).stage));
}

// Sequences spread over the home groups, so each pool holds its part of them at full length, or as
// much as the tightest rank has room for, but at least one sequence. Sets num_blocks and kv_bytes.
std::optional<Refusal> size_pool(ShardPlan& plan,
                                 const ModelConfig& config,
                                 const ClusterSpec& cluster) {
  std::vector<Footprint> footprints;
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const RankShare& share = plan.ranks[static_cast<size_t>(rank)];
    const int stage = plan.grid.place(rank).stage;
    footprints.push_back({fixed_bytes(share, config, plan, stage),
                          kv_block_bytes(config, layers_of(plan, stage), plan.block_size)});
  }
  const int64_t blocks_per_sequence = (plan.max_context - 1) / plan.block_size + 1;
  const int groups = plan.grid.num_home_groups();
  const int64_t sequences = (cluster.max_sequences + groups - 1) / groups;
  int64_t num_blocks = std::numeric_limits<int32_t>::max();
  if (blocks_per_sequence <= num_blocks / sequences) num_blocks = sequences * blocks_per_sequence;
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const auto have = cluster.memory_of(plan.grid.place(rank).stage);
    if (!have) continue;
    const auto [fixed, block] = footprints[static_cast<size_t>(rank)];
    const uint64_t needed = fixed + block * static_cast<uint64_t>(blocks_per_sequence);
    if (needed > *have)
      return Refusal{
          .reason = fmt::format(
              "rank {} needs {} for its weights and one sequence of {} tokens, and may use {}: use "
              "more ranks, a smaller -c or -np, or a smaller quantisation",
              rank,
              human_bytes(needed),
              plan.max_context,
              human_bytes(*have)),
          .rank = rank};
    if (block > 0) num_blocks = std::min(num_blocks, static_cast<int64_t>((*have - fixed) / block));
  }
  plan.num_blocks = static_cast<int>(num_blocks);
  for (size_t rank = 0; rank < footprints.size(); ++rank)
    plan.ranks[rank].kv_bytes = footprints[rank].block * static_cast<uint64_t>(num_blocks);
  return std::nullopt;
}

}  // namespace

CacheBytes cache_bytes(const ShardPlan& plan) {
  CacheBytes out;
  for (int stage = 0; stage < plan.grid.num_stages(); ++stage) {
    const RankShare& share = plan.ranks[static_cast<size_t>(plan.grid.rank({stage, 0}))];
    out.block += share.kv_bytes / static_cast<uint64_t>(std::max(plan.num_blocks, 1));
    out.slot += share.state_bytes /
                static_cast<uint64_t>(std::max(plan.num_slots + plan.num_checkpoints, 1));
  }
  return out;
}

std::variant<ShardPlan, Refusal> plan_shards(const TensorDirectory& directory,
                                             const ModelConfig& config,
                                             const ClusterSpec& cluster) {
  if (auto refusal = check_request(config, cluster)) return *refusal;
  const Source source{directory, config, read_names(directory), cluster.backend};
  if (auto refusal = check_expert_tensors(directory, source.names, config)) return *refusal;

  ShardPlan plan;
  plan.grid = RankGrid(cluster.ep_per_stage);
  plan.first_layer = spread_layers(config.num_layers, cluster);
  for (int stage = 0; stage < plan.grid.num_stages(); ++stage)
    plan.experts.push_back(ExpertPlacement::contiguous(config.num_experts, plan.grid.ep(stage)));
  plan.max_context = cluster.context > 0 ? cluster.context : config.context_length;
  plan.max_batch_tokens = cluster.max_batch_tokens;
  plan.num_slots = cluster.max_sequences;
  for (int rank = 0; rank < plan.grid.world_size(); ++rank)
    plan.ranks.push_back(share_of(source, plan, plan.grid.place(rank)));
  size_cache(plan, config, cluster);
  if (auto refusal = size_pool(plan, config, cluster)) return *refusal;
  return plan;
}

}  // namespace shoal::sharding
