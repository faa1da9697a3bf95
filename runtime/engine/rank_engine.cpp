#include "runtime/engine/rank_engine.h"

#include <fmt/format.h>

#include <numeric>

#include "loader/format/vocab.h"
#include "runtime/base/error.h"

namespace shoal::engine {
namespace {

std::vector<int32_t> unused_ids(const loader::Metadata& metadata) {
  std::vector<int32_t> ids;
  const loader::Vocab vocab = loader::parse_vocab(metadata);
  for (size_t id = 0; id < vocab.types.size(); ++id)
    if (vocab.types[id] == loader::TokenType::kUnused) ids.push_back(static_cast<int32_t>(id));
  return ids;
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
      pool_(std::make_unique<ThreadPool>(settings.num_threads)) {
  if (files_.directory.fingerprint() != welcome.model_fingerprint)
    throw ModelFileError(
        fmt::format("error[GGUF-91]: rank {} has other files under this name than the coordinator",
                    comm.rank()));
  reader_ = std::make_unique<loader::WeightReader>(files_, loader::ReadMode::kMapped);
  const uint64_t total = plan_.ranks[static_cast<size_t>(comm.rank())].weight_bytes;
  weights_ = load_weights({files_, config_, plan_, comm.rank()}, *reader_, [&](uint64_t done) {
    progress(done, total);
  });

  const sharding::RankGrid::Place place = plan_.grid.place(comm.rank());
  const auto stage = static_cast<size_t>(place.stage);
  pools_ = std::make_unique<model::CachePools>(
      config_, plan_, plan_.first_layer[stage], plan_.first_layer[stage + 1]);
  std::vector<int> group(static_cast<size_t>(plan_.grid.ep(place.stage)));
  std::iota(group.begin(), group.end(), plan_.grid.rank({place.stage, 0}));
  experts_ = transport::make_expert_all_to_all(comm,
                                               group,
                                               plan_.experts[stage],
                                               {.hidden_size = config_.hidden_size,
                                                .num_topk = config_.num_topk,
                                                .max_token_capacity = plan_.max_batch_tokens});
  model_ =
      std::make_unique<model::Model>(config_, weights_->weights, *kernels_, *experts_, gather_);
  runner_ = std::make_unique<StepRunner>(RankParts{.config = config_,
                                                   .plan = plan_,
                                                   .comm = comm,
                                                   .model = *model_,
                                                   .pools = *pools_,
                                                   .pool = *pool_,
                                                   .masked_ids = unused_ids(files_.metadata)});
}

RankEngine::~RankEngine() = default;

}  // namespace shoal::engine
