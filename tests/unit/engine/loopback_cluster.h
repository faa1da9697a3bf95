// A whole job in one process: one thread a rank, LoopbackComm between them, plans from a real
// Scheduler. What the coordinator does over gRPC, done directly, so that engine tests need neither.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/engine/rank_engine.h"
#include "runtime/scheduler/scheduler.h"
#include "transport/loopback_comm.h"

namespace shoal::engine {

struct ClusterShape {
  std::vector<int> ep_per_stage = {1};
  int num_threads = 1;
  int64_t context = 2048;
  int max_batch_tokens = 512;
  int max_sequences = 16;
  Backend backend = Backend::kCpu;
  std::optional<uint64_t> cache_memory = 0;  // as ClusterSpec's
  int num_blocks = 0;                        // of a home group; 0: what the planner says
};

struct TestRequest {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;
  plan::SamplingParams sampling;
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;
  std::string salt;
  bool is_choice = false;  // of the prompt of the request before it, or that one's
};

struct TestOutput {
  std::vector<int32_t> tokens;
  std::vector<plan::TokenScore> samples;  // of tokens
  std::vector<plan::TokenScore> scores;   // of the prompt
};

class LoopbackCluster {
 public:
  LoopbackCluster(const std::string& model_path, const ClusterShape& shape);
  ~LoopbackCluster();

  // All requests at once; returns when every one has its tokens.
  std::vector<TestOutput> run(const std::vector<TestRequest>& requests);

  // Hashes of a sequence's state, one per rank that owns it, after a hand-made run: the prompt in
  // chunks of the given sizes (their sum is its length), nothing sampled.
  std::vector<uint64_t> state_after_chunks(const std::vector<int32_t>& prompt,
                                           const std::vector<int64_t>& chunks);

  // Hashes of the state that the sequence admitted last left behind, one per rank that owns it;
  // between runs.
  std::vector<uint64_t> state_of_last(int64_t num_tokens);

  const std::vector<plan::StepPlan>& plans() const { return plans_; }
  const loader::ReadLedger& ledger(int rank) const {
    return ranks_[static_cast<size_t>(rank)]->engine->ledger();
  }
  const sharding::ShardPlan& shard_plan() const { return plan_; }
  const scheduler::Scheduler& scheduler() const { return *scheduler_; }
  const loader::ModelConfig& config() const { return config_; }

 private:
  struct Rank {
    std::unique_ptr<transport::LoopbackComm> comm;
    std::unique_ptr<RankEngine> engine;
    std::thread thread;
  };

  void send(const plan::StepPlan& plan);
  plan::StepResult next_result();
  void rank_loop(int rank);
  std::vector<uint64_t> hashes_of(plan::SequenceId id, int home, int64_t num_tokens);

  loader::ModelConfig config_;
  sharding::ShardPlan plan_;
  ClusterShape shape_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::vector<plan::StepPlan> plans_;  // every plan sent, in order
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  plan::SequenceId next_id_ = 1;
  plan::StepId next_step_ = 1'000'000;  // of hand-made plans

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t plans_sent_ = 0;
  bool stop_ = false;
  std::deque<plan::StepResult> results_;
};

}  // namespace shoal::engine
