// The coordinator: queue, scheduler, journal, membership. One thread of its own makes plans, sends
// them to the ranks and turns their results into streams. Doors call submit() and cancel() from
// any thread; they return at once. The main thread supervises the workers' job through next_job()
// and job_ended(), because workers must be forked from it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/journal.h"
#include "runtime/coordinator/rank_links.h"
#include "runtime/coordinator/served_model.h"
#include "sharding/shard_plan.h"

namespace shoal::coordinator {

struct CoordinatorConfig {
  sharding::ShardPlan plan;
  int max_sequences = 8;                        // run at once
  int max_queue = 64;                           // of each owner: wait behind them
  int max_batch_tokens = 512;                   // per rank and step
  int num_threads = 0;                          // per rank; 0: by the rank
  std::map<std::string, double> owner_weights;  // of the ranks' time; others weigh 1
  std::string job_token;
  std::string build;
  std::string journal_path;                     // empty: no journal, unless there is a store
  std::shared_ptr<JournalStore> journal_store;  // in place of a file
  bool journal_fsync = false;
  std::chrono::milliseconds startup_timeout{60'000};
  std::chrono::milliseconds heartbeat_timeout{2'000};
  std::chrono::milliseconds step_timeout{30'000};  // of a rank; 5 s more and it is lost
  int restart_budget = 5;  // jobs started anew within restart_window; 0: none (private)
  std::chrono::milliseconds restart_window{60'000};
  // The clock: simulations have their own.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

enum class Phase : uint8_t { kStarting, kServing, kRecovering, kDraining, kStopped, kFailed };
const char* phase_name(Phase phase);

struct RankStatus {
  int rank = 0;
  sharding::RankGrid::Place place;
  std::string host, state, kernels;  // state: absent, loading, ready, lost
  int64_t pid = 0;
  uint64_t bytes_loaded = 0, bytes_total = 0, weight_bytes = 0, expert_bytes = 0;
  std::vector<std::pair<std::string, uint64_t>> bytes_by_class;
  int first_expert = 0, num_experts = 0, first_layer = 0, num_layers = 0;
  plan::RankStats stats;
};

// The prefix cache and who had to wait for blocks; counters of this epoch.
struct CacheStatus {
  bool on = false;
  uint64_t hits = 0, hit_tokens = 0;  // sequences that started behind cached text, and how far
  uint64_t evictions = 0, bytes = 0;
  int texts = 0, blocks = 0;                   // kept now
  uint64_t pauses = 0, recomputed_tokens = 0;  // sequences paused for blocks; what ran again
  // Why sequences did not start farther on: cache::prefix_end_name() and how many.
  std::vector<std::pair<std::string, uint64_t>> ends;
};

// What the prefix cache held when it was cleared.
struct ClearedCache {
  int texts = 0, blocks = 0;
  uint64_t bytes = 0;
};

struct ClusterStatus {
  Phase phase = Phase::kStarting;
  plan::Epoch epoch = 0;
  plan::StepId last_step = 0;
  std::vector<RankStatus> ranks;
  int running = 0, waiting = 0, blocks_used = 0, blocks_total = 0;
  int paused = 0;     // of the running, for want of blocks
  int replaying = 0;  // of the running: they wait for the ranks of a new epoch
  std::map<std::string, int> waiting_by_owner;  // none: nobody of it waits
  CacheStatus cache;
  uint64_t tokens_generated = 0, prompt_tokens = 0, requests_finished = 0, requests_failed = 0;
  int exit_code = 0;    // kFailed: what the program should exit with
  std::string message;  // kFailed: the one line
};

// The workers' job that should run now.
struct JobRequest {
  plan::Epoch epoch = 0;
  int world_size = 0;
};

class Coordinator final : public RankLinkEvents {
 public:
  // links must outlive the coordinator, and deliver its events here.
  Coordinator(CoordinatorConfig config, std::shared_ptr<const ServedModel> model);
  ~Coordinator() override;

  void start(RankLinks& links);  // starts the thread; asks for the first job
  // Without a thread, for simulations: begin() once, then turn() after each event and, at least
  // every 20 ms of config.now, without one.
  void begin(RankLinks& links);
  void turn();

  // Refusal, or nothing: then `sink` gets the stream's events.
  std::optional<Failure> submit(GenerationRequest request, std::shared_ptr<StreamSink> sink);
  // False when no such request runs or waits. The sink gets finished(kCancelled).
  bool cancel(const std::string& request_id);

  ClusterStatus status() const;
  // Any thread. What runs goes on; nobody starts behind a text that was cached before.
  ClearedCache clear_cache();
  const ServedModel& model() const { return *model_; }
  const CoordinatorConfig& config() const { return config_; }
  // Calls back (coordinator's thread, must not block) at each change of phase.
  void on_phase(std::function<void(Phase)> callback);

  // For the supervising main thread.
  std::optional<JobRequest> next_job(Deadline deadline);  // a job to start; empty at the deadline
  void job_ended(plan::Epoch epoch, const std::string& how);  // the launcher's child is gone
  // Refuses new requests, lets running ones finish until the deadline, then ends ranks and thread.
  void drain(Deadline deadline);

  void on_message(LinkId link, control::ToCoordinator message) override;
  void on_closed(LinkId link) override;

 private:
  struct Core;
  CoordinatorConfig config_;
  std::shared_ptr<const ServedModel> model_;
  std::unique_ptr<Core> core_;
};

}  // namespace shoal::coordinator
