#include "tests/unit/coordinator/fake_request_door.h"

#include <algorithm>

#include "tests/unit/text/byte_vocab.h"

namespace shoal::coordinator {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

constexpr const char* kTemplate =
    "{%- for message in messages %}"
    "{%- if message.role == 'forbidden' %}{{ raise_exception('role is forbidden') }}{%- endif %}"
    "{{- '<|end|>' + message.role + ':' + message.content }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|end|>' }}{%- endif %}"
    "{%- if enable_thinking is defined and enable_thinking %}{{- '<think>' }}{%- endif %}";

}  // namespace

std::unique_ptr<ServedModel> byte_model() {
  auto model = std::make_unique<ServedModel>();
  model->name = "bytes";
  model->config.architecture = "qwen35moe";
  model->config.context_length = 8192;
  model->vocab = text::byte_vocab();
  model->tokenizer = std::make_unique<text::Tokenizer>(model->vocab);
  model->chat_template = std::make_unique<text::ChatTemplate>(text::ChatTemplate::parse(kTemplate));
  model->stop_ids = model->tokenizer->end_ids();
  return model;
}

std::optional<Failure> FakeRequestDoor::submit(GenerationRequest request,
                                               std::shared_ptr<StreamSink> sink) {
  std::lock_guard lock(mutex_);
  if (refusal_) return refusal_;
  submissions_.push_back({std::move(request), std::move(sink)});
  changed_.notify_all();
  return std::nullopt;
}

bool FakeRequestDoor::cancel(const std::string& request_id) {
  std::shared_ptr<StreamSink> sink;
  {
    std::lock_guard lock(mutex_);
    for (const auto& submission : submissions_) {
      if (submission.request.request_id == request_id) sink = submission.sink;
    }
    if (sink) cancelled_.push_back(request_id);
    changed_.notify_all();
  }
  if (!sink) return false;
  Finished finished;
  finished.reason = FinishReason::kCancelled;
  sink->finished(finished);
  return true;
}

ClusterStatus FakeRequestDoor::status() const {
  std::lock_guard lock(mutex_);
  ClusterStatus status;
  status.phase = phase_;
  status.epoch = 3;
  status.last_step = 77;
  status.running = 2;
  status.waiting = 1;
  status.waiting_by_owner = waiting_;
  for (int rank = 0; rank < 2; ++rank) {
    RankStatus entry;
    entry.rank = rank;
    entry.place = {.stage = 0, .ep_rank = rank};
    entry.host = "here";
    entry.state = "ready";
    entry.pid = 100 + rank;
    entry.bytes_loaded = 10;
    entry.bytes_total = 40;
    entry.bytes_by_class = {{"routed_expert", 30}};
    entry.stats.steps = 9;
    entry.stats.seconds_expert = 1.5;
    status.ranks.push_back(entry);
  }
  return status;
}

void FakeRequestDoor::on_phase(std::function<void(Phase)> callback) {
  std::lock_guard lock(mutex_);
  callbacks_.push_back(std::move(callback));
}

void FakeRequestDoor::set_phase(Phase phase) {
  std::lock_guard lock(mutex_);
  phase_ = phase;
  for (const auto& callback : callbacks_) callback(phase);
}

void FakeRequestDoor::set_waiting(std::map<std::string, int> by_owner) {
  std::lock_guard lock(mutex_);
  waiting_ = std::move(by_owner);
}

void FakeRequestDoor::refuse_with(std::optional<Failure> failure) {
  std::lock_guard lock(mutex_);
  refusal_ = std::move(failure);
}

FakeRequestDoor::Submission FakeRequestDoor::submission(size_t n) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return submissions_.size() > n; })) return {};
  return submissions_[n];
}

bool FakeRequestDoor::wait_cancelled(const std::string& request_id) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::find(cancelled_.begin(), cancelled_.end(), request_id) != cancelled_.end();
  });
}

size_t FakeRequestDoor::num_cancels() const {
  std::lock_guard lock(mutex_);
  return cancelled_.size();
}

size_t FakeRequestDoor::num_submissions() const {
  std::lock_guard lock(mutex_);
  return submissions_.size();
}

void play(const FakeRequestDoor::Submission& submission, const std::string& text) {
  submission.sink->accepted({.request_id = submission.request.request_id,
                             .prompt_tokens = std::ssize(submission.request.prompt_ids),
                             .queue_position = 0,
                             .seed = submission.request.sampling.seed});
  for (char c : text) {
    submission.sink->delta({.text = std::string(1, c), .token_ids = {c}, .logprobs = {-0.5f}});
  }
  Finished finished;
  finished.reason = FinishReason::kStopToken;
  finished.usage = {.prompt_tokens = std::ssize(submission.request.prompt_ids),
                    .completion_tokens = std::ssize(text)};
  finished.timings.prefill = std::chrono::milliseconds(1500);
  submission.sink->finished(finished);
}

}  // namespace shoal::coordinator
