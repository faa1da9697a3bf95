#include "runtime/engine/step_runner.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace shoal::engine {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TensorView grown(std::vector<float>& memory, int64_t rows, int64_t cols) {
  const auto floats = static_cast<size_t>(rows * cols);
  if (memory.size() < floats) memory.resize(floats);
  return view_f32(memory.data(), rows, cols);
}

}  // namespace

StepRunner::StepRunner(RankParts parts)
    : parts_(std::move(parts)), links_(parts_.comm, parts_.plan.grid) {
  if (has_own_steps(parts_.queue.backend())) device_ = std::make_unique<DeviceStep>(parts_, links_);
}

StepRunner::~StepRunner() = default;

void StepRunner::run(const plan::StepPlan& plan, Deadline deadline, const ReportResult& report) {
  links_.forget(plan.released);
  table_.apply(plan);
  for (const plan::Admission& admission : plan.admitted) {
    if (!owns(admission)) continue;
    if (admission.checkpoint == plan::kNoCheckpoint)
      parts_.pools.clear_slot(admission.state_slot);
    else
      parts_.pools.load_checkpoint(admission.checkpoint, admission.state_slot);
  }
  if (device_ != nullptr) {
    device_->run(plan, table_, deadline, [&](plan::StepResult result) {
      if (result.final_part) update_stats(device_->num_tokens());
      result.stats = stats_;
      report(std::move(result));
    });
  } else {
    for (int repeat = 0; repeat < plan.num_repeats; ++repeat)
      run_once(plan, repeat, deadline, report);
  }
  for (const plan::ScheduledSequence& scheduled : plan.sequences) {
    if (scheduled.save == plan::kNoCheckpoint) continue;
    const plan::Admission& admission = table_.at(scheduled.id).admission;
    if (owns(admission)) parts_.pools.save_checkpoint(admission.state_slot, scheduled.save);
  }
}

bool StepRunner::owns(const plan::Admission& admission) const {
  const sharding::RankGrid& grid = parts_.plan.grid;
  const int rank = parts_.comm.rank();
  return grid.owner(grid.place(rank).stage, admission.home) == rank;
}

void StepRunner::run_once(const plan::StepPlan& plan,
                          int repeat,
                          Deadline deadline,
                          const ReportResult& report) {
  const auto begin = std::chrono::steady_clock::now();
  const Exec exec{.pool = &parts_.pool, .deadline = deadline};
  step_.build(plan, repeat, parts_.plan.grid, parts_.comm.rank(), table_);
  const TensorView hidden = grown(hidden_, step_.num_tokens(), parts_.config.hidden_size);

  if (links_.first_stage()) links_.fill_previous_samples(step_, table_, deadline);
  const model::Batch batch =
      step_.batch(plan, parts_.pools.kv_layers(), parts_.pools.delta_layers());
  if (links_.first_stage()) {
    if (batch.num_tokens > 0) parts_.model.embed(batch, hidden, exec);
  } else {
    const auto waits = std::chrono::steady_clock::now();
    links_.receive_hidden(step_, hidden, deadline);
    stats_.seconds_idle += seconds_since(waits);
  }
  parts_.model.forward(batch, hidden, exec);

  plan::StepResult result{
      .epoch = plan.epoch, .step_id = plan.step_id, .repeat = repeat, .rank = parts_.comm.rank()};
  std::vector<int32_t> sampled;
  if (links_.last_stage()) {
    finish_rows(exec, result, sampled, report);
  } else {
    links_.send_hidden(step_, hidden);
  }
  if (parts_.plan.grid.num_stages() > 1) {
    if (links_.last_stage()) links_.send_tokens(step_, sampled);
    if (links_.first_stage()) links_.expect_tokens(step_);
  }
  update_stats(step_.num_tokens());
  result.step_nanos = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  result.stats = stats_;
  report(std::move(result));
}

void StepRunner::finish_rows(const Exec& exec,
                             plan::StepResult& result,
                             std::vector<int32_t>& sampled,
                             const ReportResult& report) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<const LocalSequence*> sampling;
  for (const LocalSequence& local : step_.sequences()) {
    local.sequence->remember(*local.scheduled, parts_.constraints);
    score_chunk(local, exec, result, report);
    if (local.scheduled->sample) sampling.push_back(&local);
  }
  if (sampling.empty()) return;

  const auto num_rows = static_cast<int64_t>(sampling.size());
  const int64_t hidden_size = parts_.config.hidden_size;
  const TensorView rows = grown(rows_, num_rows, hidden_size);
  for (int64_t i = 0; i < num_rows; ++i) {
    const LocalSequence& local = *sampling[static_cast<size_t>(i)];
    std::memcpy(rows.row(i),
                hidden_.data() + int64_t{local.first_row + local.num_rows - 1} * hidden_size,
                static_cast<size_t>(hidden_size) * sizeof(float));
  }
  const TensorView logits = grown(logits_, num_rows, parts_.config.vocab_size);
  parts_.model.logits(rows, logits, exec);
  for (int64_t i = 0; i < num_rows; ++i) {
    const std::span<const float> row(logits.row(i), static_cast<size_t>(logits.cols()));
    result.tokens.push_back(
        sample_row(*sampling[static_cast<size_t>(i)], row, result.repeat, parts_.masked_ids));
    sampled.push_back(result.tokens.back().token);
  }
  stats_.seconds_sampling += seconds_since(begin);
}

void StepRunner::score_chunk(const LocalSequence& local,
                             const Exec& exec,
                             plan::StepResult& result,
                             const ReportResult& report) {
  const auto [first, last] = scored_rows(local);
  const int64_t hidden_size = parts_.config.hidden_size;
  for (int64_t begin = first; begin < last; begin += kScoreRows) {
    const int64_t count = std::min(kScoreRows, last - begin);
    const TensorView rows =
        view_f32(hidden_.data() + (local.first_row + begin) * hidden_size, count, hidden_size);
    const TensorView logits = grown(logits_, count, parts_.config.vocab_size);
    parts_.model.logits(rows, logits, exec);
    add_scores(local, begin, logits, result);
    report_if_large(result, report);
  }
}

void StepRunner::update_stats(int num_tokens) {
  const model::PartSeconds& seconds = parts_.model.seconds();
  ++stats_.steps;
  stats_.tokens += static_cast<uint64_t>(num_tokens);
  stats_.expert_rows = seconds.expert_rows;
  stats_.bytes_sent = parts_.comm.bytes_sent();
  stats_.bytes_received = parts_.comm.bytes_received();
  stats_.seconds_attention = seconds.attention;
  stats_.seconds_delta_net = seconds.delta_net;
  stats_.seconds_router = seconds.router;
  stats_.seconds_dispatch = seconds.dispatch;
  stats_.seconds_expert = seconds.expert;
  stats_.seconds_combine = seconds.combine;
}

uint64_t StepRunner::state_hash(plan::SequenceId id, int64_t num_tokens) {
  const RankSequence& sequence = table_.at(id);
  return parts_.pools.hash_sequence(sequence.blocks, num_tokens, sequence.admission.state_slot);
}

}  // namespace shoal::engine
