#include <algorithm>
#include <cmath>
#include <numeric>

#include "sharding/layout_search.h"
#include "sharding/memory_estimate.h"

namespace shoal::sharding {
namespace {

using loader::TensorClass;

// Means over the layers, and what only the ends hold.
struct ModelBytes {
  double dense_layer = 0, experts_layer = 0;
  double embedding = 0, head = 0;
};

ModelBytes model_bytes(const ForecastInputs& inputs) {
  ModelBytes bytes;
  const double layers = inputs.config.num_layers;
  for (const loader::TensorInfo& tensor : inputs.directory.tensors()) {
    const auto size = static_cast<double>(tensor.bytes);
    const TensorClass kind = loader::tensor_class(tensor);
    if (kind == TensorClass::kEmbedding) {
      bytes.embedding = size;
      if (inputs.config.tied_embeddings) bytes.head = size;
    } else if (kind == TensorClass::kLmHead) {
      bytes.head = size;
    } else if (loader::tensor_layer(tensor) < inputs.config.num_layers) {
      (kind == TensorClass::kRoutedExpert ? bytes.experts_layer : bytes.dense_layer) +=
          size / layers;
    }
  }
  return bytes;
}

// What the fullest rank of a stage has per layer, apart from layers, and room for.
struct StageRoom {
  double seconds_a_layer = 0, seconds_before = 0;
  int most_layers = 0;
};

StageRoom room_of(const ForecastInputs& inputs,
                  const ModelBytes& bytes,
                  const Layout& layout,
                  const PlanWishes& wishes,
                  size_t stage) {
  const loader::ModelConfig& config = inputs.config;
  const StageSite& site = layout.stages[stage];
  const bool first = stage == 0, last = stage + 1 == layout.stages.size();
  const double experts = config.num_experts;
  const double weights =
      bytes.dense_layer + bytes.experts_layer * std::ceil(experts / site.ep()) / experts;

  const LayerRange all{0, config.num_layers};
  const auto context = wishes.context > 0 ? wishes.context : config.context_length;
  const double cache =
      (static_cast<double>(state_slot_bytes(config, all)) * wishes.max_sequences +
       static_cast<double>(kv_block_bytes(config, all, 1)) * static_cast<double>(context)) /
      config.num_layers;
  const double fixed =
      (first ? bytes.embedding : 0) + (last ? bytes.head : 0) +
      static_cast<double>(
          scratch_bytes(config,
                        {.backend = wishes.backend,
                         .ep = site.ep(),
                         .num_local_experts = (config.num_experts + site.ep() - 1) / site.ep(),
                         .max_batch_tokens = wishes.max_batch_tokens,
                         .max_sequences = wishes.max_sequences,
                         .last_stage = last})) +
      static_cast<double>(exchange_bytes(config, site.ep(), wishes.max_batch_tokens));

  const auto memory = static_cast<double>(stage_memory(inputs.hardware, layout)[stage]);
  double bandwidth = 0;
  for (const int node : site.nodes) {
    const double rate = inputs.hardware.nodes[static_cast<size_t>(node)].device.bandwidth;
    bandwidth = bandwidth == 0 ? rate : std::min(bandwidth, rate);
  }
  if (bandwidth <= 0) bandwidth = 1;
  return {.seconds_a_layer = weights / bandwidth,
          .seconds_before = last ? bytes.head / bandwidth : 0,
          .most_layers = static_cast<int>(std::max(0.0, (memory - fixed) / (weights + cache)))};
}

}  // namespace

std::vector<int> spread_layers_by_time(const ForecastInputs& inputs,
                                       const Layout& layout,
                                       const PlanWishes& wishes) {
  const size_t stages = layout.stages.size();
  const ModelBytes bytes = model_bytes(inputs);
  std::vector<StageRoom> rooms;
  for (size_t stage = 0; stage < stages; ++stage)
    rooms.push_back(room_of(inputs, bytes, layout, wishes, stage));
  // Each stage needs a layer; the others go one by one where they end soonest, first where there is
  // room for them.
  std::vector<int> layers(stages, 1);
  for (int left = inputs.config.num_layers - static_cast<int>(stages); left > 0; --left) {
    size_t best = 0;
    const auto key = [&](size_t stage) {
      const StageRoom& room = rooms[stage];
      const double end = room.seconds_before + room.seconds_a_layer * (layers[stage] + 1);
      return std::pair(layers[stage] >= room.most_layers, end);
    };
    for (size_t stage = 1; stage < stages; ++stage)
      if (key(stage) < key(best)) best = stage;
    ++layers[best];
  }
  return layers;
}

}  // namespace shoal::sharding
