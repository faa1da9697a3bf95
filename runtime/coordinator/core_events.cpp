// What each event does.
#include <fmt/format.h>

#include "runtime/base/log.h"
#include "runtime/coordinator/core.h"

namespace shoal::coordinator {
namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

void Coordinator::Core::handle(Submitted event) {
  Stream& stream = *event.stream;
  stream.sink().accepted({.request_id = stream.request().request_id,
                          .prompt_tokens = static_cast<int64_t>(stream.request().prompt_ids.size()),
                          .queue_position = static_cast<int>(waiting.size()),
                          .seed = stream.request().sampling.seed});
  waiting.push_back(std::move(event.stream));
}

void Coordinator::Core::handle(Cancelled event) {
  std::vector<plan::SequenceId> choices;
  for (const auto& [id, stream] : running)
    if (stream->request().request_id == event.request_id) choices.push_back(id);
  for (const auto& stream : waiting)
    if (stream->request().request_id == event.request_id) choices.push_back(stream->id());
  for (const plan::SequenceId id : choices) end_stream(id, FinishReason::kCancelled);
}

void Coordinator::Core::handle(Closed event) {
  if (const auto rank = membership.closed(event.link)) lost(*rank);
}

void Coordinator::Core::handle(JobEnded event) {
  if (event.epoch == membership.epoch()) lost(membership.job_ended(event.how));
}

void Coordinator::Core::handle(Arrived event) {
  membership.heard(event.link, now());
  if (const auto* first = std::get_if<control::Hello>(&event.message)) {
    hello(event.link, *first);
  } else if (!membership.rank_of(event.link)) {
    // A link may beat before its Hello. Anything else from a stranger, or from a rank of an older
    // epoch, is out of place.
    if (std::holds_alternative<control::Heartbeat>(event.message)) return;
    links->send(event.link, control::Leave{"this link belongs to no rank of the epoch"});
    links->close(event.link);
  } else if (const auto* progress = std::get_if<control::LoadProgress>(&event.message)) {
    membership.progress(event.link, *progress, now());
    if (membership.everyone_ready()) set_phase(Phase::kServing);
  } else if (const auto* result = std::get_if<plan::StepResult>(&event.message)) {
    if (result->epoch == membership.epoch()) step_result(*result);
  } else if (const auto* failure = std::get_if<control::RankFailure>(&event.message)) {
    if (const auto rank = membership.failure(event.link, *failure)) lost(*rank);
  }
}

void Coordinator::Core::hello(LinkId link, const control::Hello& hello) {
  if (const auto refusal = membership.hello(link, hello, now())) {
    log::warn("a worker was refused: {}", *refusal);
    links->send(link, control::Leave{*refusal});
    links->close(link);
    return;
  }
  if (!membership.everyone_here()) return;
  const control::ToWorker welcome =
      control::Welcome{.epoch = membership.epoch(),
                       .model_path = model.path,
                       .model_fingerprint = model.directory.fingerprint(),
                       .plan = config.plan,
                       .num_threads = config.num_threads};
  for (const Membership::Member& member : membership.members()) links->send(member.link, welcome);
}

void Coordinator::Core::step_result(const plan::StepResult& result) {
  const auto rank = static_cast<size_t>(result.rank);
  if (rank < rank_stats.size()) rank_stats[rank] = result.stats;

  // Recorded first, in one write; only then does any client see a token.
  std::vector<JournalToken> recorded;
  for (const plan::TokenScore& score : result.tokens) {
    if (!score.sampled) continue;
    const auto found = running.find(score.id);
    if (found == running.end()) continue;
    recorded.push_back({score.id, found->second->num_tokens(), score.token});
    scheduler->token_known(score.id, score.token);
  }
  if (journal) journal->step(result.step_id, result.epoch, recorded);
  totals.tokens_generated += recorded.size();

  const auto due = results_due.find(result.step_id);
  if (due != results_due.end() && result.final_part && --due->second == 0) {
    results_due.erase(due);
    scheduler->step_done(result.step_id);
    last_step = std::max(last_step, result.step_id);
  }

  // Scores of prompts go before samples: a sample may end its stream.
  std::map<plan::SequenceId, std::vector<plan::TokenScore>> scored;
  for (const plan::TokenScore& score : result.tokens)
    if (!score.sampled && running.count(score.id) != 0) scored[score.id].push_back(score);
  for (auto& [id, scores] : scored) {
    Stream& stream = *running.at(id);
    const auto prompt_tokens = static_cast<int64_t>(stream.request().prompt_ids.size());
    const bool last = stream.scores_only() && scores.back().position == prompt_tokens - 1;
    if (last) stream.prefilled(now());
    stream.sink().scored(std::move(scores));
    if (last) end_stream(id, FinishReason::kMaxTokens);
  }
  for (const plan::TokenScore& score : result.tokens) {
    if (!score.sampled) continue;
    const auto found = running.find(score.id);
    if (found != running.end()) deliver(*found->second, score);
  }
}

void Coordinator::Core::deliver(Stream& stream, const plan::TokenScore& score) {
  Stream::Step step = stream.take(score, now());
  stream.sink().delta(std::move(step.delta));
  if (step.finished) end_stream(stream.id(), *step.finished);
}

void Coordinator::Core::end_stream(plan::SequenceId id, FinishReason reason) {
  const auto end = [&](Stream& stream) {
    const Finished finished = stream.finish(reason, now());
    const double seconds = std::chrono::duration<double>(finished.timings.total).count();
    {
      const std::lock_guard lock(queue_mutex);
      seconds_per_request = 0.9 * seconds_per_request + 0.1 * seconds / config.max_sequences;
    }
    ++totals.requests_finished;
    stream.sink().finished(finished);
  };
  const auto found = running.find(id);
  if (found != running.end()) {
    end(*found->second);
  } else {
    for (const auto& stream : waiting)
      if (stream->id() == id) end(*stream);
  }
  forget(id, finish_reason_name(reason));
}

void Coordinator::Core::fail_stream(plan::SequenceId id, const Failure& failure) {
  ++totals.requests_failed;
  const auto found = running.find(id);
  if (found != running.end()) {
    found->second->sink().failed(failure);
  } else {
    for (const auto& stream : waiting)
      if (stream->id() == id) stream->sink().failed(failure);
  }
  forget(id, "failed");
}

void Coordinator::Core::fail_running(const Failure& failure) {
  while (!running.empty()) fail_stream(running.begin()->first, failure);
}

void Coordinator::Core::forget(plan::SequenceId id, std::string_view reason) {
  std::string request_id;
  const auto found = running.find(id);
  if (found != running.end()) {
    request_id = found->second->request().request_id;
    scheduler->release(id);
    if (journal) journal->close_sequence(id, reason);
    running.erase(found);
  } else {
    for (auto stream = waiting.begin(); stream != waiting.end(); ++stream) {
      if ((*stream)->id() != id) continue;
      request_id = (*stream)->request().request_id;
      waiting.erase(stream);
      break;
    }
  }
  const std::lock_guard lock(queue_mutex);
  const auto live = live_ids.find(request_id);
  if (live == live_ids.end()) return;
  --live_choices;
  if (--live->second == 0) live_ids.erase(live);
}

}  // namespace shoal::coordinator
