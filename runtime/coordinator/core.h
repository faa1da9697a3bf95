// The inside of the Coordinator: one thread that owns scheduler, membership, streams and journal,
// and the queue of events that everybody else fills.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <variant>

#include "runtime/base/error.h"
#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/journal.h"
#include "runtime/coordinator/membership.h"
#include "runtime/coordinator/replay_queue.h"
#include "runtime/coordinator/stream.h"
#include "runtime/scheduler/fair_share.h"
#include "runtime/scheduler/scheduler.h"

namespace shoal::coordinator {

struct Coordinator::Core {
  // What other threads tell the loop.
  struct Submitted {
    std::unique_ptr<Stream> stream;  // one choice
  };
  struct Cancelled {
    std::string request_id;
  };
  struct Arrived {
    LinkId link;
    control::ToCoordinator message;
  };
  struct Closed {
    LinkId link;
  };
  struct JobEnded {
    plan::Epoch epoch;
    std::string how;
  };
  using Event = std::variant<Submitted, Cancelled, Arrived, Closed, JobEnded>;

  Core(const CoordinatorConfig& config, const ServedModel& model);

  // Any thread.
  std::optional<Failure> submit(GenerationRequest request, std::shared_ptr<StreamSink> sink);
  bool cancel(const std::string& request_id);
  void push(Event event);
  ClusterStatus status() const;
  ClearedCache clear_cache();
  std::optional<JobRequest> next_job(Deadline deadline);
  void drain(Deadline deadline);

  // The loop's thread.
  void loop();
  void turn();  // everything that has come, then the clock, then plans
  void handle(Submitted event);
  void handle(Cancelled event);
  void handle(Arrived event);
  void handle(Closed event);
  void handle(JobEnded event);
  void hello(LinkId link, const control::Hello& hello);
  void step_result(int rank, const plan::StepResult& result);
  // Whether each token and score is the next of its stream; drops those that came before.
  bool keep_new(plan::StepResult& result) const;
  void deliver(Stream& stream, const plan::TokenScore& score);
  void start_epoch();
  void lost(const LostRank& rank);
  bool may_restart(const LostRank& rank);
  void convict(plan::SequenceId id, int rank);
  void give_up(ExitCode code, const std::string& message);
  void set_phase(Phase phase);
  void admit_replayed();
  void admit_waiting();
  scheduler::AdmitResult admit(Stream& stream);
  using Waiting = std::deque<std::unique_ptr<Stream>>;
  Waiting::iterator next_waiting(const std::set<plan::SequenceId>& later);
  void send_plans();
  void check_time();
  void check_steps();
  TimePoint now() const { return config.now(); }
  bool passed(const Deadline& deadline) const { return deadline.at() <= now(); }
  void end_stream(plan::SequenceId id, FinishReason reason);
  void fail_stream(plan::SequenceId id, const Failure& failure);
  void fail_running(const Failure& failure);
  void forget(plan::SequenceId id, std::string_view reason);
  void leave_all(const std::string& reason);
  std::vector<plan::SequenceId> choices_of(const std::string& request_id) const;
  bool drained() const;

  const CoordinatorConfig& config;
  const ServedModel& model;
  RankLinks* links = nullptr;

  // Guarded by queue_mutex.
  mutable std::mutex queue_mutex;
  std::condition_variable queue_changed;  // events, drain, stop
  std::condition_variable job_wanted;
  std::condition_variable stopped;
  std::deque<Event> events;
  std::map<std::string, int> live_ids;      // accepted and not ended, with their choices
  std::map<std::string, int> live_choices;  // by owner
  std::optional<JobRequest> wanted_job;
  std::optional<Deadline> drain_by;
  Phase phase = Phase::kStarting;
  plan::SequenceId next_id = 1;
  bool stop = false;
  PoisonList poison;               // prompts that killed ranks
  double seconds_per_request = 1;  // moving average, for RetryInfo

  // Guarded by state_mutex, which the loop holds while it works; status() reads under it.
  mutable std::mutex state_mutex;
  Membership membership;
  std::shared_ptr<scheduler::FairShare> shares;  // of who runs or waits
  std::unique_ptr<scheduler::Scheduler> scheduler;
  std::optional<Journal> journal;
  std::map<plan::SequenceId, std::unique_ptr<Stream>> running;
  Waiting waiting;
  ReplayQueue replays;  // of `running`: who waits for a new epoch's ranks
  std::map<plan::StepId, std::set<int>> results_due;  // ranks that have not reported a step yet
  TimePoint last_result{};                            // or since when a step is under way
  std::vector<plan::RankStats> rank_stats;
  std::deque<TimePoint> restarts;
  bool epoch_served = false;  // its ranks were ready
  std::optional<ExitCode> failed_with;
  ClusterStatus totals;  // counters and message only
  std::function<void(Phase)> phase_changed;
  plan::StepId last_step = 0;

  std::thread thread;
};

}  // namespace shoal::coordinator
