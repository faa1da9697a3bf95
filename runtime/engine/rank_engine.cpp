#include "runtime/engine/rank_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "loader/format/vocab.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/device/device_facts.h"
#include "transport/device_expert_all_to_all.h"
#include "transport/device_local_experts.h"

namespace shoal::engine {
namespace {

std::vector<int32_t> unused_ids(const loader::Metadata& metadata) {
  std::vector<int32_t> ids;
  const loader::Vocab vocab = loader::parse_vocab(metadata);
  for (size_t id = 0; id < vocab.types.size(); ++id)
    if (vocab.types[id] == loader::TokenType::kUnused) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

// What the plan says this rank needs, against what its GPU has left: a plan may have been made
// without knowing.
void check_device_memory(const sharding::RankShare& share, const device::DeviceFacts& gpu) {
  const uint64_t needed =
      share.weight_bytes + share.kv_bytes + share.state_bytes + share.scratch_bytes;
  if (needed <= gpu.free_bytes) return;
  throw Error(
      ExitCode::kDoesNotFit,
      fmt::format("this rank's part of the plan needs {} ({} of weights, {} of KV cache, {} "
                  "of state, {} of scratch), and {} of {} are free on its {}: use more "
                  "ranks, a smaller -c or -np, or memory_per_rank in the cluster file",
                  human_bytes(needed),
                  human_bytes(share.weight_bytes),
                  human_bytes(share.kv_bytes),
                  human_bytes(share.state_bytes),
                  human_bytes(share.scratch_bytes),
                  human_bytes(gpu.free_bytes),
                  human_bytes(gpu.total_bytes),
                  gpu.name));
}

}  // namespace

RankEngine::RankEngine(const control::Welcome& welcome,
                       transport::HostComm& comm,
                       RankSettings settings,
                       const std::function<void(uint64_t, uint64_t)>& progress)
    : plan_(welcome.plan),
      files_(loader::open_model(welcome.model_path)),
      config_(loader::parse_model_config(files_.metadata, files_.directory)),
      kernels_(&kernels::select_kernels(settings.backend)),
      pool_(std::make_unique<ThreadPool>(settings.num_threads)),
      queue_(settings.backend),
      constraints_(files_.metadata) {
  if (files_.directory.fingerprint() != welcome.model_fingerprint)
    throw ModelFileError(
        fmt::format("error[GGUF-91]: rank {} has other files under this name than the coordinator",
                    comm.rank()));
  reader_ = std::make_unique<loader::WeightReader>(files_, loader::ReadMode::kMapped);
  const uint64_t total = plan_.ranks[static_cast<size_t>(comm.rank())].weight_bytes;
  LoadJob job{.files = files_, .config = config_, .plan = plan_, .rank = comm.rank()};
  if (settings.backend == Backend::kCuda) {
    check_device_memory(plan_.ranks[static_cast<size_t>(comm.rank())], device::gpu_facts());
    job.queue = &queue_;
    job.pool = pool_.get();
  }
  if (files_.files.empty()) {
    if (job.queue == nullptr)
      throw Error(ExitCode::kUsage,
                  "a synthetic model has weights on a GPU only: use --backend cuda");
    job.synthetic_seed = 1;
  }
  if (has_own_steps(settings.backend) && comm.size() > 1) {
    device_comm_ = transport::make_device_comm(comm, queue_);
    queue_.watch_with([this](bool late) { device_comm_->check(late); });
  }
  weights_ = load_weights(job, *reader_, [&](uint64_t done) { progress(done, total); });

  const sharding::RankGrid::Place place = plan_.grid.place(comm.rank());
  const auto stage = static_cast<size_t>(place.stage);
  pools_ = std::make_unique<model::CachePools>(
      config_, plan_, plan_.first_layer[stage], plan_.first_layer[stage + 1], queue_);
  experts_ = make_experts(comm, place);
  model_ = std::make_unique<model::Model>(config_,
                                          weights_->weights,
                                          model::ModelParts{*kernels_, *experts_, gather_},
                                          step_sizes(place));
  runner_ = std::make_unique<StepRunner>(RankParts{.config = config_,
                                                   .plan = plan_,
                                                   .comm = comm,
                                                   .model = *model_,
                                                   .pools = *pools_,
                                                   .pool = *pool_,
                                                   .kernels = *kernels_,
                                                   .queue = queue_,
                                                   .experts = *experts_,
                                                   .device_comm = device_comm_.get(),
                                                   .masked_ids = unused_ids(files_.metadata),
                                                   .constraints = constraints_});
}

RankEngine::~RankEngine() = default;

void RankEngine::connect(Deadline deadline) {
  if (device_comm_ != nullptr) device_comm_->connect(deadline);
}

model::StepSizes RankEngine::step_sizes(sharding::RankGrid::Place place) const {
  const auto& placement = plan_.experts[static_cast<size_t>(place.stage)];
  // Where only the device knows the routing, room for a row a pair.
  const int64_t copies =
      has_own_steps(queue_.backend())
          ? config_.num_topk
          : std::min(config_.num_topk, static_cast<int>(placement.experts(place.ep_rank).size()));
  return {.backend = queue_.backend(),
          .max_tokens = plan_.max_batch_tokens,
          .max_expert_rows = plan_.max_batch_tokens * plan_.grid.ep(place.stage) * copies};
}

std::unique_ptr<transport::ExpertAllToAll> RankEngine::make_experts(
    transport::HostComm& comm, sharding::RankGrid::Place place) const {
  const auto stage = static_cast<size_t>(place.stage);
  const transport::AllToAllShape shape{.hidden_size = config_.hidden_size,
                                       .num_topk = config_.num_topk,
                                       .max_token_capacity = plan_.max_batch_tokens};
  if (has_own_steps(queue_.backend()) && plan_.grid.ep(place.stage) == 1)
    return std::make_unique<transport::DeviceLocalExperts>(
        queue_.backend(), config_.num_experts, shape);
  std::vector<int> group(static_cast<size_t>(plan_.grid.ep(place.stage)));
  std::iota(group.begin(), group.end(), plan_.grid.rank({place.stage, 0}));
  if (device_comm_ != nullptr)
    return std::make_unique<transport::DeviceExpertAllToAll>(
        *device_comm_, queue_, group, plan_.experts[stage], shape);
  return transport::make_expert_all_to_all(comm, group, plan_.experts[stage], shape);
}

}  // namespace shoal::engine
