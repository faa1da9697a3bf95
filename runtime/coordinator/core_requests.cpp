// The Core as other threads call it: requests in, status out, the supervisor's job requests.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "runtime/base/printable.h"
#include "runtime/coordinator/choices.h"
#include "runtime/coordinator/core.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::coordinator {
namespace {

std::string random_id() {
  static thread_local std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

Failure too_long(size_t prompt_tokens, int64_t max_tokens, int64_t context) {
  return {.code = FailureCode::kInvalidArgument,
          .message = fmt::format("prompt has {} tokens, limit {} (context {})",
                                 grouped(prompt_tokens),
                                 grouped(static_cast<uint64_t>(context - 1)),
                                 grouped(static_cast<uint64_t>(context))),
          .reason = "CONTEXT_LENGTH_EXCEEDED",
          .metadata = {{"prompt_tokens", std::to_string(prompt_tokens)},
                       {"max_tokens", std::to_string(max_tokens)},
                       {"limit", std::to_string(context)}},
          .violations = {},
          .retry_after = {}};
}

Failure unavailable(std::string message, std::string reason) {
  return {.code = FailureCode::kUnavailable,
          .message = std::move(message),
          .reason = std::move(reason),
          .metadata = {},
          .violations = {},
          .retry_after = std::chrono::seconds(1)};
}

// The sampler's half of StopRules::min_tokens.
void hold_back_ends(GenerationRequest& request, const text::Tokenizer& tokenizer) {
  if (request.stop.min_tokens <= 0) return;
  request.sampling.min_tokens = request.stop.min_tokens;
  std::vector<int32_t>& ends = request.sampling.end_ids;
  ends = request.stop.token_ids;
  if (!request.stop.ignore_eos)
    ends.insert(ends.end(), tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

CacheStatus cache_status(const scheduler::Scheduler& scheduler) {
  const scheduler::CacheCounters& counters = scheduler.cache_counters();
  CacheStatus out{.on = scheduler.prefix_cache().is_on(),
                  .hits = counters.hits,
                  .hit_tokens = counters.hit_tokens,
                  .evictions = scheduler.prefix_cache().num_evictions(),
                  .bytes = scheduler.prefix_cache().bytes(),
                  .texts = scheduler.prefix_cache().num_published(),
                  .blocks = scheduler.num_cached_blocks(),
                  .pauses = scheduler.num_pauses(),
                  .recomputed_tokens = counters.recomputed_tokens,
                  .ends = {}};
  for (size_t i = 0; i < counters.ends.size(); ++i)
    if (counters.ends[i] > 0)
      out.ends.emplace_back(cache::prefix_end_name(static_cast<cache::PrefixEnd>(i)),
                            counters.ends[i]);
  return out;
}

}  // namespace

std::optional<Failure> Coordinator::Core::submit(GenerationRequest request,
                                                 std::shared_ptr<StreamSink> sink) {
  const int64_t context = config.plan.max_context;
  const auto prompt_tokens = static_cast<int64_t>(request.prompt_ids.size());
  if (prompt_tokens == 0)
    return Failure{.code = FailureCode::kInvalidArgument,
                   .message = "the prompt is empty",
                   .reason = "EMPTY_PROMPT",
                   .metadata = {},
                   .violations = {{"input", "at least one token is required"}},
                   .retry_after = {}};
  const bool scores_prompt =
      request.score == plan::Score::kChunk || request.score == plan::Score::kFullLogits;
  const bool scores_only = scores_prompt && request.max_tokens == 0;
  if (scores_only && prompt_tokens == 1)
    return Failure{
        .code = FailureCode::kInvalidArgument,
        .message = "a prompt of one token has nothing to score, and nothing is generated",
        .reason = "NOTHING_TO_SCORE",
        .metadata = {},
        .violations = {{"stop.max_tokens", "at least 1 is required"}},
        .retry_after = {}};
  if (request.num_choices < 1 || request.num_choices > kMaxChoices ||
      (scores_only && request.num_choices > 1))
    return Failure{
        .code = FailureCode::kInvalidArgument,
        .message = fmt::format("{} choices: 1 to {} can be had, and 1 of a prompt that is "
                               "only scored",
                               request.num_choices,
                               kMaxChoices),
        .reason = "INVALID_FIELD",
        .metadata = {},
        .violations = {{"sampling.n", fmt::format("not 1 to {}", kMaxChoices)}},
        .retry_after = {}};
  const int64_t room = context - prompt_tokens;
  if (scores_only ? room < 0 : room < 1)
    return too_long(request.prompt_ids.size(), request.max_tokens, context);
  const bool limited = !scores_only && (request.max_tokens == 0 || request.max_tokens > room);
  if (limited) request.max_tokens = room;
  if (request.request_id.empty()) request.request_id = random_id();
  hold_back_ends(request, *model.tokenizer);

  const std::lock_guard lock(queue_mutex);
  if (phase == Phase::kDraining || phase == Phase::kStopped || phase == Phase::kFailed)
    return unavailable("the server is shutting down", "DRAINING");
  if (phase == Phase::kStarting) return unavailable("the model is loading", "MODEL_LOADING");
  if (poison.holds(request.prompt_ids, now()))
    return Failure{.code = FailureCode::kInternal,
                   .message = "this prompt killed ranks a short while ago; it is not run again",
                   .reason = "REQUEST_KILLS_RANKS",
                   .metadata = {},
                   .violations = {},
                   .retry_after = {}};
  if (live_ids.count(request.request_id) != 0)
    return Failure{.code = FailureCode::kAlreadyExists,
                   .message = "a request with this id is running",
                   .reason = "DUPLICATE_REQUEST_ID",
                   .metadata = {{"request_id", printable(request.request_id)}},
                   .violations = {},
                   .retry_after = {}};
  // Each owner has the whole queue, so that nobody's flood is another's refusal.
  const auto of_owner = live_choices.find(request.owner);
  const int live = of_owner == live_choices.end() ? 0 : of_owner->second;
  if (live + request.num_choices > config.max_sequences + config.max_queue) {
    const auto wait = static_cast<int64_t>(1000 * seconds_per_request);
    return Failure{.code = FailureCode::kResourceExhausted,
                   .message = fmt::format("the queue is full ({} waiting)", config.max_queue),
                   .reason = "QUEUE_FULL",
                   .metadata = {},
                   .violations = {},
                   .retry_after = std::chrono::milliseconds(std::max<int64_t>(wait, 100))};
  }
  live_ids[request.request_id] = request.num_choices;
  live_choices[request.owner] += request.num_choices;
  const plan::SequenceId first = next_id;
  const auto sinks = split_sink(request.num_choices, std::move(sink));
  for (int index = 0; index < request.num_choices; ++index) {
    GenerationRequest choice = request;
    choice.sampling.seed = choice_seed(request.sampling.seed, index);
    if (index > 0 && scores_prompt) choice.score = plan::Score::kNone;  // once is enough
    auto stream = std::make_unique<Stream>(
        next_id++, std::move(choice), sinks[static_cast<size_t>(index)], *model.tokenizer, now());
    if (limited) stream->limited_by_context();
    if (index > 0) stream->set_fork(first, false);
    if (index == 0 && request.num_choices > 1) stream->set_fork(std::nullopt, true);
    events.emplace_back(Submitted{std::move(stream)});
  }
  queue_changed.notify_one();
  return std::nullopt;
}

bool Coordinator::Core::cancel(const std::string& request_id) {
  const std::lock_guard lock(queue_mutex);
  if (live_ids.count(request_id) == 0) return false;
  events.emplace_back(Cancelled{request_id});
  queue_changed.notify_one();
  return true;
}

void Coordinator::Core::push(Event event) {
  const std::lock_guard lock(queue_mutex);
  events.push_back(std::move(event));
  queue_changed.notify_one();
}

std::optional<JobRequest> Coordinator::Core::next_job(Deadline deadline) {
  std::unique_lock lock(queue_mutex);
  if (!deadline.passed())
    job_wanted.wait_until(lock, deadline.at(), [this] {
      return wanted_job.has_value() || phase == Phase::kFailed || phase == Phase::kStopped;
    });
  return std::exchange(wanted_job, std::nullopt);
}

void Coordinator::Core::drain(Deadline deadline) {
  std::unique_lock lock(queue_mutex);
  if (!drain_by || deadline < *drain_by) drain_by = deadline;
  queue_changed.notify_one();
  // The loop ends by itself at the deadline; the second is for its last messages.
  stopped.wait_until(lock, deadline.at() + std::chrono::seconds(1), [this] {
    return phase == Phase::kStopped || phase == Phase::kFailed;
  });
}

ClearedCache Coordinator::Core::clear_cache() {
  const std::lock_guard lock(state_mutex);
  if (scheduler == nullptr) return {};
  const ClearedCache cleared{.texts = scheduler->prefix_cache().num_published(),
                             .blocks = scheduler->num_cached_blocks(),
                             .bytes = scheduler->prefix_cache().bytes()};
  scheduler->clear_prefix_cache();
  return cleared;
}

ClusterStatus Coordinator::Core::status() const {
  const std::lock_guard lock(state_mutex);
  ClusterStatus out = totals;
  {
    const std::lock_guard queue_lock(queue_mutex);
    out.phase = phase;
  }
  out.epoch = membership.epoch();
  out.last_step = last_step;
  out.running = static_cast<int>(running.size());
  out.waiting = static_cast<int>(waiting.size());
  for (const auto& stream : waiting) ++out.waiting_by_owner[stream->request().owner];
  if (scheduler != nullptr) {
    out.blocks_total = scheduler->num_total_blocks();
    out.blocks_used = out.blocks_total - scheduler->num_free_blocks();
    out.paused = scheduler->num_paused();
    out.replaying = replays.num_waiting();
    out.cache = cache_status(*scheduler);
  }
  if (failed_with) out.exit_code = static_cast<int>(*failed_with);
  const sharding::ShardPlan& plan = config.plan;
  for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
    const Membership::Member& member = membership.members()[static_cast<size_t>(rank)];
    static constexpr const char* kStates[] = {"absent", "loading", "ready", "lost"};
    RankStatus status;
    status.rank = rank;
    status.place = plan.grid.place(rank);
    status.host = member.host;
    status.state = kStates[static_cast<size_t>(member.state)];
    status.kernels = member.kernels;
    status.pid = member.pid;
    status.bytes_loaded = member.progress.bytes_done;
    status.bytes_total = member.progress.bytes_total;
    status.weight_bytes = plan.ranks[static_cast<size_t>(rank)].weight_bytes;
    status.expert_bytes = member.progress.expert_bytes;
    status.bytes_by_class = member.progress.bytes_by_class;
    const auto stage = static_cast<size_t>(status.place.stage);
    const auto experts = plan.experts[stage].experts(status.place.ep_rank);
    status.first_expert = experts.empty() ? 0 : experts.front();
    status.num_experts = static_cast<int>(experts.size());
    status.first_layer = plan.first_layer[stage];
    status.num_layers = plan.first_layer[stage + 1] - plan.first_layer[stage];
    status.stats = rank_stats[static_cast<size_t>(rank)];
    out.ranks.push_back(std::move(status));
  }
  return out;
}

}  // namespace shoal::coordinator
