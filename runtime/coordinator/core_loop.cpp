// The loop: take events, admit, send plans, watch the clock.
#include <fmt/format.h>

#include "runtime/base/log.h"
#include "runtime/coordinator/core.h"

namespace shoal::coordinator {
namespace {

constexpr std::chrono::milliseconds kTick{20};  // how late a timer may be noticed

TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

Coordinator::Core::Core(const CoordinatorConfig& core_config, const ServedModel& served)
    : config(core_config),
      model(served),
      membership({.world_size = core_config.plan.grid.world_size(),
                  .job_token = core_config.job_token,
                  .build = core_config.build,
                  .startup_timeout = core_config.startup_timeout,
                  .heartbeat_timeout = core_config.heartbeat_timeout}),
      rank_stats(static_cast<size_t>(core_config.plan.grid.world_size())) {
  if (!core_config.journal_path.empty())
    journal.emplace(core_config.journal_path, core_config.journal_fsync);
}

void Coordinator::Core::loop() {
  for (;;) {
    std::deque<Event> batch;
    {
      std::unique_lock lock(queue_mutex);
      queue_changed.wait_for(lock, kTick, [this] { return !events.empty() || stop; });
      if (stop || phase == Phase::kStopped) return;
      batch.swap(events);
    }
    const std::lock_guard lock(state_mutex);
    for (Event& event : batch) std::visit([this](auto& one) { handle(std::move(one)); }, event);
    check_time();
    admit_waiting();
    send_plans();
  }
}

void Coordinator::Core::set_phase(Phase next) {
  {
    const std::lock_guard lock(queue_mutex);
    if (phase == next || phase == Phase::kFailed || phase == Phase::kStopped) return;
    // A drain goes on whatever happens to the ranks; only its end or a failure changes it.
    if (phase == Phase::kDraining && next != Phase::kStopped && next != Phase::kFailed) return;
    phase = next;
  }
  job_wanted.notify_all();
  stopped.notify_all();
  if (phase_changed) phase_changed(next);
}

void Coordinator::Core::start_epoch() {
  membership.begin_epoch(membership.epoch() + 1, now());
  results_due.clear();
  std::fill(rank_stats.begin(), rank_stats.end(), plan::RankStats{});
  const sharding::ShardPlan& plan = config.plan;
  scheduler = std::make_unique<scheduler::Scheduler>(
      scheduler::SchedulerConfig{.ep_per_stage = plan.grid.ep_per_stage(),
                                 .num_home_groups = plan.grid.num_home_groups(),
                                 .block_size = plan.block_size,
                                 .num_blocks = plan.num_blocks,
                                 .num_slots = plan.num_slots,
                                 .num_checkpoints = plan.num_checkpoints,
                                 .block_bytes = sharding::cache_bytes(plan).block,
                                 .checkpoint_bytes = sharding::cache_bytes(plan).slot,
                                 .max_cache_bytes = plan.max_cache_bytes,
                                 .max_batch_tokens = config.max_batch_tokens,
                                 .max_sequences = config.max_sequences});
  {
    const std::lock_guard lock(queue_mutex);
    wanted_job = JobRequest{membership.epoch(), plan.grid.world_size()};
  }
  job_wanted.notify_all();
}

void Coordinator::Core::admit_waiting() {
  {
    const std::lock_guard lock(queue_mutex);
    if (phase != Phase::kServing && phase != Phase::kDraining) return;
  }
  for (auto next = waiting.begin(); next != waiting.end();) {
    Stream& stream = **next;
    const GenerationRequest& request = stream.request();
    const auto result = scheduler->admit({.id = stream.id(),
                                          .prompt = request.prompt_ids,
                                          .sampling = request.sampling,
                                          .max_tokens = request.max_tokens,
                                          .score = request.score,
                                          .score_start = request.score_start,
                                          .salt = request.owner + '\0' + request.cache_salt,
                                          .fork_of = stream.fork_of(),
                                          .has_forks = stream.has_forks()});
    if (result == scheduler::AdmitResult::kNoRoom) return;
    if (result == scheduler::AdmitResult::kLater) {
      ++next;
      continue;
    }
    stream.admitted(now(), scheduler->prefix_of(stream.id()));
    if (journal)
      journal->open_sequence(
          stream.id(), request.request_id, request.prompt_ids, request.sampling.seed);
    totals.prompt_tokens += request.prompt_ids.size();
    running.emplace(stream.id(), std::move(*next));
    next = waiting.erase(next);
  }
}

void Coordinator::Core::send_plans() {
  if (!membership.everyone_ready()) return;
  while (const auto plan = scheduler->next_plan(membership.epoch())) {
    results_due[plan->step_id] = config.plan.grid.world_size();
    const control::ToWorker message = *plan;
    for (const Membership::Member& member : membership.members()) links->send(member.link, message);
  }
}

void Coordinator::Core::check_time() {
  std::optional<Deadline> drain_deadline;
  {
    const std::lock_guard lock(queue_mutex);
    drain_deadline = drain_by;
    if (phase == Phase::kFailed) return;
  }
  if (const auto rank = membership.check(now())) lost(*rank);

  const Failure late{.code = FailureCode::kDeadlineExceeded,
                     .message = "the request's deadline passed",
                     .reason = "DEADLINE_EXCEEDED",
                     .metadata = {},
                     .violations = {},
                     .retry_after = {}};
  std::vector<plan::SequenceId> overdue;
  for (const auto& [id, stream] : running)
    if (stream->request().deadline.passed()) overdue.push_back(id);
  for (const auto& stream : waiting)
    if (stream->request().deadline.passed()) overdue.push_back(stream->id());
  for (const plan::SequenceId id : overdue) fail_stream(id, late);

  if (!drain_deadline) return;
  set_phase(Phase::kDraining);
  if (!drain_deadline->passed() && !drained()) return;
  const Failure draining{.code = FailureCode::kUnavailable,
                         .message = "the server is shutting down",
                         .reason = "DRAINING",
                         .metadata = {},
                         .violations = {},
                         .retry_after = std::chrono::seconds(1)};
  fail_running(draining);
  while (!waiting.empty()) fail_stream(waiting.front()->id(), draining);
  leave_all("the server is shutting down");
  set_phase(Phase::kStopped);
}

bool Coordinator::Core::drained() const {
  if (!running.empty() || !waiting.empty()) return false;
  const std::lock_guard lock(queue_mutex);
  return events.empty();
}

void Coordinator::Core::leave_all(const std::string& reason) {
  for (const Membership::Member& member : membership.members()) {
    if (member.state == Membership::State::kAbsent) continue;
    links->send(member.link, control::Leave{reason});
    links->close(member.link);
  }
}

void Coordinator::Core::lost(const LostRank& rank) {
  {
    // The first loss decided; the ranks that it sent away close their links too.
    const std::lock_guard lock(queue_mutex);
    if (phase == Phase::kFailed || phase == Phase::kStopped) return;
  }
  log::warn("epoch {}: {}", membership.epoch(), rank.why);
  leave_all(fmt::format("rank {} of epoch {} is lost", rank.rank, membership.epoch()));
  bool serving = false, draining = false;
  {
    const std::lock_guard lock(queue_mutex);
    serving = phase == Phase::kServing;
    draining = phase == Phase::kDraining;
  }
  fail_running({.code = FailureCode::kUnavailable,
                .message = fmt::format("rank {} was lost while the request ran", rank.rank),
                .reason = "RANK_LOST",
                .metadata = {{"rank", std::to_string(rank.rank)}},
                .violations = {},
                .retry_after = std::chrono::seconds(2)});
  if (draining) {
    const std::lock_guard lock(queue_mutex);
    drain_by = Deadline::after(std::chrono::nanoseconds(0));
  }
  const bool never_served = membership.epoch() == 1 && !serving;
  if (never_served && !draining) {
    // A rank that says why (a bad file, no memory) decides the exit code; silence is a start-up
    // failure.
    const ExitCode code = rank.exit_code > 1 && rank.exit_code < 7
                              ? static_cast<ExitCode>(rank.exit_code)
                              : ExitCode::kStartup;
    give_up(code, rank.why);
    return;
  }
  while (!restarts.empty() && now() - restarts.front() > config.restart_window)
    restarts.pop_front();
  if (static_cast<int>(restarts.size()) >= config.restart_budget) {
    give_up(ExitCode::kRankLost,
            config.restart_budget == 0
                ? rank.why
                : fmt::format("{}; {} restarts did not help", rank.why, restarts.size()));
    return;
  }
  restarts.push_back(now());
  set_phase(Phase::kRecovering);
  start_epoch();
}

void Coordinator::Core::give_up(ExitCode code, const std::string& message) {
  failed_with = code;
  totals.message = message;
  const Failure failure{.code = FailureCode::kUnavailable,
                        .message = "the cluster failed and cannot be restarted",
                        .reason = "CLUSTER_FAILED",
                        .metadata = {},
                        .violations = {},
                        .retry_after = {}};
  fail_running(failure);
  while (!waiting.empty()) fail_stream(waiting.front()->id(), failure);
  set_phase(Phase::kFailed);
}

}  // namespace shoal::coordinator
