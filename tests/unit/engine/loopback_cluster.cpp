#include "tests/unit/engine/loopback_cluster.h"

#include <algorithm>
#include <variant>

#include "runtime/base/check.h"
#include "sharding/planner.h"

namespace shoal::engine {
namespace {

constexpr std::chrono::seconds kStepTimeout{60};

}  // namespace

LoopbackCluster::LoopbackCluster(const std::string& model_path, const ClusterShape& shape)
    : shape_(shape) {
  const loader::ModelFiles files = loader::open_model(model_path);
  config_ = loader::parse_model_config(files.metadata, files.directory);
  const auto planned = sharding::plan_shards(files.directory,
                                             config_,
                                             {.ep_per_stage = shape.ep_per_stage,
                                              .backend = shape.backend,
                                              .context = shape.context,
                                              .max_sequences = shape.max_sequences,
                                              .max_batch_tokens = shape.max_batch_tokens,
                                              .cache_memory = shape.cache_memory});
  const auto* refusal = std::get_if<sharding::Refusal>(&planned);
  SHOAL_ASSERT(refusal == nullptr, "{}", refusal == nullptr ? "" : refusal->reason);
  plan_ = std::get<sharding::ShardPlan>(planned);
  if (shape.num_blocks > 0) plan_.num_blocks = shape.num_blocks;
  scheduler_ = std::make_unique<scheduler::Scheduler>(
      scheduler::SchedulerConfig{.ep_per_stage = shape.ep_per_stage,
                                 .num_home_groups = plan_.grid.num_home_groups(),
                                 .block_size = plan_.block_size,
                                 .num_blocks = plan_.num_blocks,
                                 .num_slots = plan_.num_slots,
                                 .num_checkpoints = plan_.num_checkpoints,
                                 .block_bytes = sharding::cache_bytes(plan_).block,
                                 .checkpoint_bytes = sharding::cache_bytes(plan_).slot,
                                 .max_cache_bytes = plan_.max_cache_bytes,
                                 .max_batch_tokens = shape.max_batch_tokens,
                                 .max_sequences = shape.max_sequences});
  const control::Welcome welcome{.epoch = 1,
                                 .model_path = model_path,
                                 .model_fingerprint = files.directory.fingerprint(),
                                 .plan = plan_};
  auto comms = transport::make_loopback_world(plan_.grid.world_size());
  for (auto& comm : comms) {
    auto rank = std::make_unique<Rank>();
    rank->comm = std::move(comm);
    rank->engine = std::make_unique<RankEngine>(
        welcome,
        *rank->comm,
        RankSettings{.backend = shape.backend, .num_threads = shape.num_threads},
        [](uint64_t, uint64_t) {});
    ranks_.push_back(std::move(rank));
  }
  for (int i = 0; i < plan_.grid.world_size(); ++i)
    ranks_[static_cast<size_t>(i)]->thread = std::thread([this, i] { rank_loop(i); });
}

LoopbackCluster::~LoopbackCluster() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& rank : ranks_) rank->thread.join();
}

void LoopbackCluster::rank_loop(int rank) {
  StepRunner& runner = ranks_[static_cast<size_t>(rank)]->engine->runner();
  for (size_t next = 0;; ++next) {
    plan::StepPlan plan;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || plans_.size() > next; });
      if (plans_.size() <= next) return;
      plan = plans_[next];
    }
    runner.run(plan, Deadline::after(kStepTimeout), [this](plan::StepResult result) {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(result));
      changed_.notify_all();
    });
  }
}

void LoopbackCluster::send(const plan::StepPlan& plan) {
  const std::lock_guard lock(mutex_);
  plans_.push_back(plan);
  changed_.notify_all();
}

plan::StepResult LoopbackCluster::next_result() {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(lock, kStepTimeout, [&] { return !results_.empty(); });
  SHOAL_ASSERT(came, "no result in {} s", kStepTimeout.count());
  plan::StepResult result = std::move(results_.front());
  results_.pop_front();
  return result;
}

std::vector<TestOutput> LoopbackCluster::run(const std::vector<TestRequest>& requests) {
  std::vector<TestOutput> outputs(requests.size());
  std::map<plan::SequenceId, size_t> request_of;
  std::map<plan::StepId, int> due;
  size_t admitted = 0, ended = 0;
  plan::SequenceId first = 0;  // of the choices that come next
  while (ended < requests.size()) {
    for (; admitted < requests.size(); ++admitted) {
      const TestRequest& request = requests[admitted];
      if (!request.is_choice) first = next_id_;
      if (scheduler_->admit(
              {.id = next_id_,
               .prompt = request.prompt,
               .sampling = request.sampling,
               .max_tokens = request.max_tokens,
               .score = request.score,
               .score_start = request.score_start,
               .salt = request.salt,
               .fork_of = request.is_choice ? std::optional(first) : std::nullopt,
               .has_forks = admitted + 1 < requests.size() && requests[admitted + 1].is_choice}) !=
          scheduler::AdmitResult::kAdmitted)
        break;
      request_of[next_id_++] = admitted;
    }
    while (const auto plan = scheduler_->next_plan(1)) {
      due[plan->step_id] = plan_.grid.world_size();
      send(*plan);
    }
    const plan::StepResult result = next_result();
    if (result.final_part && --due[result.step_id] == 0) scheduler_->step_done(result.step_id);
    for (const plan::TokenScore& score : result.tokens) {
      const size_t index = request_of.at(score.id);
      TestOutput& output = outputs[index];
      if (score.sampled) {
        scheduler_->token_known(score.id, score.token);
        output.tokens.push_back(score.token);
        output.samples.push_back(score);
      } else {
        output.scores.push_back(score);
      }
      const TestRequest& request = requests[index];
      const bool last = request.max_tokens > 0
                            ? static_cast<int64_t>(output.tokens.size()) == request.max_tokens
                            : score.position == static_cast<int64_t>(request.prompt.size()) - 1;
      if (!last) continue;
      scheduler_->release(score.id);
      ++ended;
    }
  }
  // Reports of ranks that only helped are still on their way.
  for (auto& [step, left] : due)
    while (left > 0) {
      const plan::StepResult result = next_result();
      if (result.final_part && --due[result.step_id] == 0) scheduler_->step_done(result.step_id);
    }
  return outputs;
}

std::vector<uint64_t> LoopbackCluster::state_after_chunks(const std::vector<int32_t>& prompt,
                                                          const std::vector<int64_t>& chunks) {
  const plan::SequenceId id = next_id_++;
  const auto prompt_len = static_cast<int64_t>(prompt.size());
  const int64_t num_blocks = (prompt_len + plan_.block_size - 1) / plan_.block_size;
  int64_t start = 0, blocks_sent = 0;
  for (const int64_t chunk : chunks) {
    plan::StepPlan step{.epoch = 1, .step_id = next_step_++};
    step.token_capacity = static_cast<int>(chunk);
    if (start == 0) step.admitted.push_back({.id = id, .prompt_len = prompt_len});
    plan::ScheduledSequence scheduled{.id = id, .start = start};
    scheduled.tokens.assign(prompt.begin() + start, prompt.begin() + start + chunk);
    start += chunk;
    // Blocks from the top down: a table that is not the identity.
    for (; blocks_sent * plan_.block_size < start; ++blocks_sent)
      scheduled.new_blocks.push_back(static_cast<plan::BlockId>(num_blocks - 1 - blocks_sent));
    step.sequences.push_back(std::move(scheduled));
    send(step);
    for (int i = 0; i < plan_.grid.world_size(); ++i) next_result();
  }
  return hashes_of(id, 0, prompt_len);
}

std::vector<uint64_t> LoopbackCluster::hashes_of(plan::SequenceId id,
                                                 int home,
                                                 int64_t num_tokens) {
  std::vector<uint64_t> hashes;
  for (int stage = 0; stage < plan_.grid.num_stages(); ++stage)
    hashes.push_back(
        ranks_[static_cast<size_t>(plan_.grid.owner(stage, home))]->engine->runner().state_hash(
            id, num_tokens));
  return hashes;
}

std::vector<uint64_t> LoopbackCluster::state_of_last(int64_t num_tokens) {
  const auto plan = std::find_if(plans_.rbegin(), plans_.rend(), [](const plan::StepPlan& step) {
    return !step.admitted.empty();
  });
  return hashes_of(plan->admitted.back().id, plan->admitted.back().home, num_tokens);
}

}  // namespace shoal::engine
