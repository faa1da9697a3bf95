// What each event does.
#include <fmt/format.h>

#include "runtime/base/log.h"
#include "runtime/coordinator/core.h"

namespace shoal::coordinator {
void Coordinator::Core::handle(Submitted event) {
  Stream& stream = *event.stream;
  stream.sink().accepted({.request_id = stream.request().request_id,
                          .prompt_tokens = static_cast<int64_t>(stream.request().prompt_ids.size()),
                          .queue_position = static_cast<int>(waiting.size()),
                          .seed = stream.request().sampling.seed});
  shares->begin(stream.request().owner);
  waiting.push_back(std::move(event.stream));
}

void Coordinator::Core::handle(Cancelled event) {
  for (const plan::SequenceId id : choices_of(event.request_id))
    end_stream(id, FinishReason::kCancelled);
}

std::vector<plan::SequenceId> Coordinator::Core::choices_of(const std::string& request_id) const {
  std::vector<plan::SequenceId> choices;
  for (const auto& [id, stream] : running)
    if (stream->request().request_id == request_id) choices.push_back(id);
  for (const auto& stream : waiting)
    if (stream->request().request_id == request_id) choices.push_back(stream->id());
  return choices;
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
    if (!membership.everyone_ready()) return;
    epoch_served = true;
    set_phase(Phase::kServing);
  } else if (auto* result = std::get_if<plan::StepResult>(&event.message)) {
    if (result->epoch != membership.epoch()) return;
    const int rank = *membership.rank_of(event.link);
    if (keep_new(*result))
      step_result(rank, *result);
    else
      lost({rank, 0, fmt::format("rank {} left out a part of its results", rank)});
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
                       .num_threads = config.num_threads,
                       .step_timeout_ms = config.step_timeout.count()};
  for (const Membership::Member& member : membership.members()) links->send(member.link, welcome);
}

bool Coordinator::Core::keep_new(plan::StepResult& result) const {
  std::map<plan::SequenceId, int64_t> next_score, next_sample;
  bool whole = true;
  std::erase_if(result.tokens, [&](const plan::TokenScore& score) {
    const auto found = running.find(score.id);
    if (found == running.end()) return true;  // a token beyond its end
    const Stream& stream = *found->second;
    auto& expected = score.sampled ? next_sample : next_score;
    const int64_t first = score.sampled ? stream.next_position() : stream.next_score();
    int64_t& next = expected.try_emplace(score.id, first).first->second;
    if (score.position > next) whole = false;
    if (score.position != next) return true;
    ++next;
    return false;
  });
  return whole;
}

void Coordinator::Core::step_result(int rank, const plan::StepResult& result) {
  rank_stats[static_cast<size_t>(rank)] = result.stats;
  last_result = now();

  // Recorded first, in one write; only then does any client see a token.
  std::vector<JournalToken> recorded;
  for (const plan::TokenScore& score : result.tokens) {
    replays.brought(score.id);
    if (!score.sampled) continue;
    recorded.push_back({score.id, running.at(score.id)->num_tokens(), score.token});
    scheduler->token_known(score.id, score.token);
  }
  if (journal) journal->step(result.step_id, result.epoch, recorded);
  totals.tokens_generated += recorded.size();

  const auto due = results_due.find(result.step_id);
  if (due != results_due.end() && result.final_part && due->second.erase(rank) > 0 &&
      due->second.empty()) {
    results_due.erase(due);
    scheduler->step_done(result.step_id);
    last_step = std::max(last_step, result.step_id);
  }

  // Scores of prompts go before samples: a sample may end its stream.
  std::map<plan::SequenceId, std::vector<plan::TokenScore>> scored;
  for (const plan::TokenScore& score : result.tokens)
    if (!score.sampled) scored[score.id].push_back(score);
  for (auto& [id, scores] : scored) {
    Stream& stream = *running.at(id);
    const auto prompt_tokens = static_cast<int64_t>(stream.request().prompt_ids.size());
    const bool last = stream.scores_only() && scores.back().position == prompt_tokens - 1;
    if (last) stream.prefilled(now());
    stream.scored_to(scores.back().position);
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
  std::string request_id, owner;
  const auto found = running.find(id);
  if (found != running.end()) {
    request_id = found->second->request().request_id;
    owner = found->second->request().owner;
    scheduler->release(id);
    replays.forget(id);
    if (journal) journal->close_sequence(id, reason);
    running.erase(found);
  } else {
    for (auto stream = waiting.begin(); stream != waiting.end(); ++stream) {
      if ((*stream)->id() != id) continue;
      request_id = (*stream)->request().request_id;
      owner = (*stream)->request().owner;
      waiting.erase(stream);
      break;
    }
  }
  const std::lock_guard lock(queue_mutex);
  const auto live = live_ids.find(request_id);
  if (live == live_ids.end()) return;
  shares->end(owner);
  if (--live_choices[owner] == 0) live_choices.erase(owner);
  if (--live->second == 0) live_ids.erase(live);
}

}  // namespace shoal::coordinator
