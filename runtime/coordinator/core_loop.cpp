// The loop: take events, admit, send plans, watch the clock.
#include <fmt/format.h>

#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/core.h"

namespace shoal::coordinator {
namespace {

constexpr std::chrono::milliseconds kTick{20};  // how late a timer may be noticed
// A rank gives a step up by itself, and says why; only one that cannot is found here.
constexpr std::chrono::seconds kStepGrace{5};

}  // namespace

Coordinator::Core::Core(const CoordinatorConfig& core_config, const ServedModel& served)
    : config(core_config),
      model(served),
      membership({.world_size = core_config.plan.grid.world_size(),
                  .job_token = core_config.job_token,
                  .build = core_config.build,
                  .startup_timeout = core_config.startup_timeout,
                  .heartbeat_timeout = core_config.heartbeat_timeout}),
      shares(std::make_shared<scheduler::FairShare>(core_config.owner_weights)),
      rank_stats(static_cast<size_t>(core_config.plan.grid.world_size())) {
  if (core_config.journal_store != nullptr)
    journal.emplace(core_config.journal_store);
  else if (!core_config.journal_path.empty())
    journal.emplace(
        std::make_shared<JournalFile>(core_config.journal_path, core_config.journal_fsync));
}

void Coordinator::Core::loop() {
  for (;;) {
    {
      std::unique_lock lock(queue_mutex);
      queue_changed.wait_for(lock, kTick, [this] { return !events.empty() || stop; });
      if (stop || phase == Phase::kStopped) return;
    }
    turn();
  }
}

void Coordinator::Core::turn() {
  std::deque<Event> batch;
  {
    const std::lock_guard lock(queue_mutex);
    batch.swap(events);
  }
  const std::lock_guard lock(state_mutex);
  for (Event& event : batch) std::visit([this](auto& one) { handle(std::move(one)); }, event);
  check_time();
  admit_waiting();
  send_plans();
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
  epoch_served = false;
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
                                 .max_sequences = config.max_sequences},
      shares);
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
  admit_replayed();
  if (!replays.lets_others_in()) return;
  std::set<plan::SequenceId> later;
  for (auto next = next_waiting(later); next != waiting.end(); next = next_waiting(later)) {
    Stream& stream = **next;
    const GenerationRequest& request = stream.request();
    const auto result = admit(stream);
    if (result == scheduler::AdmitResult::kNoRoom) return;
    if (result == scheduler::AdmitResult::kLater) {
      later.insert(stream.id());
      continue;
    }
    if (journal)
      journal->open_sequence(
          stream.id(), request.request_id, request.prompt_ids, request.sampling.seed);
    totals.prompt_tokens += request.prompt_ids.size();
    running.emplace(stream.id(), std::move(*next));
    waiting.erase(next);
  }
}

// Of each owner's the first that may go now; of these the one whose owner's turn it is.
Coordinator::Core::Waiting::iterator Coordinator::Core::next_waiting(
    const std::set<plan::SequenceId>& later) {
  auto best = waiting.end();
  std::set<std::string_view> seen;
  for (auto one = waiting.begin(); one != waiting.end(); ++one) {
    const std::string& owner = (*one)->request().owner;
    if (later.count((*one)->id()) != 0 || !seen.insert(owner).second) continue;
    if (best == waiting.end() || scheduler->goes_before(owner, (*best)->request().owner))
      best = one;
  }
  return best;
}

scheduler::AdmitResult Coordinator::Core::admit(Stream& stream) {
  const GenerationRequest& request = stream.request();
  const auto result = scheduler->admit({.id = stream.id(),
                                        .prompt = request.prompt_ids,
                                        .generated = stream.generated(),
                                        .sampling = request.sampling,
                                        .max_tokens = request.max_tokens,
                                        .score = stream.score_left(),
                                        .score_start = stream.score_start_left(),
                                        .salt = request.owner + '\0' + request.cache_salt,
                                        .owner = request.owner,
                                        .fork_of = stream.fork_of(),
                                        .has_forks = stream.has_forks()});
  if (result == scheduler::AdmitResult::kAdmitted) {
    replays.entered(stream.id());
    stream.admitted(now(), scheduler->prefix_of(stream.id()));
  }
  return result;
}

void Coordinator::Core::admit_replayed() {
  while (const auto id = replays.next())
    if (admit(*running.at(*id)) != scheduler::AdmitResult::kAdmitted) return;
}

void Coordinator::Core::send_plans() {
  if (!membership.everyone_ready()) return;
  while (const auto plan = scheduler->next_plan(membership.epoch())) {
    if (results_due.empty()) last_result = now();
    std::set<int>& due = results_due[plan->step_id];
    for (int rank = 0; rank < config.plan.grid.world_size(); ++rank) due.insert(rank);
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
  check_steps();

  const Failure late{.code = FailureCode::kDeadlineExceeded,
                     .message = "the request's deadline passed",
                     .reason = "DEADLINE_EXCEEDED",
                     .metadata = {},
                     .violations = {},
                     .retry_after = {}};
  std::vector<plan::SequenceId> overdue;
  for (const auto& [id, stream] : running)
    if (passed(stream->request().deadline)) overdue.push_back(id);
  for (const auto& stream : waiting)
    if (passed(stream->request().deadline)) overdue.push_back(stream->id());
  for (const plan::SequenceId id : overdue) fail_stream(id, late);

  if (!drain_deadline) return;
  set_phase(Phase::kDraining);
  if (!passed(*drain_deadline) && !drained()) return;
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

void Coordinator::Core::check_steps() {
  if (results_due.empty() || now() - last_result < config.step_timeout + kStepGrace) return;
  const auto& [step, ranks] = *results_due.begin();
  const int rank = *ranks.begin();
  lost({rank, 0, fmt::format("rank {} did not end step {} in time", rank, step)});
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
  Phase before = Phase::kServing;
  {
    // The first loss decided; the ranks that it sent away close their links too.
    const std::lock_guard lock(queue_mutex);
    if (phase == Phase::kFailed || phase == Phase::kStopped) return;
    before = phase;
  }
  log::warn("epoch {}: {}", membership.epoch(), rank.why);
  leave_all(fmt::format("rank {} of epoch {} is lost", rank.rank, membership.epoch()));
  if (membership.epoch() == 1 && before == Phase::kStarting) {
    // A rank that says why (a bad file, no memory) decides the exit code; silence is a start-up
    // failure.
    const ExitCode code = rank.exit_code > 1 && rank.exit_code < 7
                              ? static_cast<ExitCode>(rank.exit_code)
                              : ExitCode::kStartup;
    give_up(code, rank.why);
    return;
  }
  if (!may_restart(rank)) return;
  std::vector<plan::SequenceId> streams;
  for (const auto& [id, stream] : running) streams.push_back(id);
  if (const auto guilty = replays.ranks_lost(streams, epoch_served)) convict(*guilty, rank.rank);
  set_phase(Phase::kRecovering);
  start_epoch();
}

bool Coordinator::Core::may_restart(const LostRank& rank) {
  while (!restarts.empty() && now() - restarts.front() > config.restart_window)
    restarts.pop_front();
  if (static_cast<int>(restarts.size()) >= config.restart_budget) {
    give_up(ExitCode::kRankLost,
            config.restart_budget == 0
                ? rank.why
                : fmt::format("{}; {} restarts did not help", rank.why, restarts.size()));
    return false;
  }
  // What happens while a suspect runs alone is its doing, and says nothing of the cluster.
  if (!replays.has_suspect()) restarts.push_back(now());
  return true;
}

void Coordinator::Core::convict(plan::SequenceId id, int rank) {
  const GenerationRequest& request = running.at(id)->request();
  const std::string request_id = request.request_id;
  log::warn("request {} is ended: it killed ranks when it ran alone", printable(request_id));
  {
    const std::lock_guard lock(queue_mutex);
    poison.add(request.prompt_ids, now());
  }
  const Failure failure{
      .code = FailureCode::kInternal,
      .message = fmt::format(
          "request {} was lost with rank {} each time it ran", printable(request_id), rank),
      .reason = "REQUEST_KILLS_RANKS",
      .metadata = {{"request_id", printable(request_id)}, {"rank", std::to_string(rank)}},
      .violations = {},
      .retry_after = {}};
  for (const plan::SequenceId choice : choices_of(request_id)) fail_stream(choice, failure);
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
