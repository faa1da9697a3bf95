#include "runtime/engine/device_step.h"

#include <algorithm>
#include <bit>

namespace shoal::engine {
namespace {

// Whether the token is the largest logit that is not masked, and nothing else is wanted.
bool chosen_by_device(const LocalSequence& local) {
  const plan::SamplingParams& sampling = local.sequence->admission.sampling;
  return (sampling.temperature <= 0 || sampling.top_k == 1) && !sampling.looks_back() &&
         sampling.logit_bias.empty() && sampling.min_tokens == 0 && sampling.logprobs < 0 &&
         local.scheduled->score != plan::Score::kSampled;
}

int max_samples_of(const sharding::ShardPlan& plan) {
  return std::min(plan.num_slots, plan.max_batch_tokens);
}

BatchShape largest_batch(const sharding::ShardPlan& plan) {
  const int64_t blocks = (plan.max_context - 1) / plan.block_size + 1;
  return {.tokens = plan.max_batch_tokens,
          .sequences = max_samples_of(plan),
          .samples = max_samples_of(plan),
          .block_table_stride = static_cast<int>(std::bit_ceil(static_cast<uint64_t>(blocks)))};
}

}  // namespace

DeviceStep::DeviceStep(const RankParts& parts, StageLinks& links)
    : parts_(parts),
      links_(links),
      max_samples_(max_samples_of(parts.plan)),
      batch_(parts.queue, largest_batch(parts.plan)) {
  const Backend backend = parts.queue.backend();
  const auto on_device = [&](int64_t words) {
    return device::Memory(device::compute_memory(backend),
                          static_cast<size_t>(words) * sizeof(int32_t));
  };
  const auto staging = [&](int64_t words) {
    return device::Memory(device::staging_memory(backend),
                          static_cast<size_t>(words) * sizeof(int32_t));
  };
  const int64_t vocab = parts.config.vocab_size;
  const int64_t scored = std::min<int64_t>(kScoreRows, parts.plan.max_batch_tokens);
  hidden_ = on_device(parts.plan.max_batch_tokens * parts.config.hidden_size);
  rows_ = on_device(max_samples_ * parts.config.hidden_size);
  logits_ = on_device(std::max<int64_t>(max_samples_, scored) * vocab);
  masked_ids_ = on_device(static_cast<int64_t>(parts.masked_ids.size()));
  chosen_ = on_device(max_samples_);
  last_tokens_ = on_device(parts.plan.num_slots);
  argmax_scratch_ =
      device::Memory(device::compute_memory(backend), kernels::argmax_workspace(max_samples_));
  for (Fetched& fetched : fetched_) fetched.tokens = staging(max_samples_);
  host_logits_ = staging(scored * vocab);
  host_tokens_ = staging(max_samples_);
  parts.queue.copy(
      masked_ids_.data(), parts.masked_ids.data(), parts.masked_ids.size() * sizeof(int32_t));
  parts.queue.wait(Deadline::never());
  if (parts.device_comm != nullptr) parts.device_comm->on_abort([this] { recorded_.clear(); });
}

void DeviceStep::run(const plan::StepPlan& plan,
                     SequenceTable& table,
                     Deadline deadline,
                     const ReportResult& report) {
  begin_ = Clock::now();
  if (parts_.device_comm == nullptr) return run_repeats(plan, table, deadline, report);
  parts_.device_comm->set_deadline(deadline);
  try {
    if (parts_.plan.grid.num_stages() == 1) return run_repeats(plan, table, deadline, report);
    for (int repeat = 0; repeat < plan.num_repeats; ++repeat)
      run_stage(plan, repeat, table, deadline, report);
  } catch (...) {
    // What is under way waits for a peer, and memory is given back only when nothing is.
    parts_.device_comm->abort();
    throw;
  }
}

bool DeviceStep::takes_part(const plan::StepPlan& plan) const {
  if (step_.num_tokens() > 0) return true;
  const sharding::RankGrid& grid = parts_.plan.grid;
  return plan.token_capacity > 0 && grid.ep(grid.place(parts_.comm.rank()).stage) > 1;
}

void DeviceStep::run_stage(const plan::StepPlan& plan,
                           int repeat,
                           SequenceTable& table,
                           Deadline deadline,
                           const ReportResult& report) {
  const Exec exec{.stream = parts_.queue.view(), .pool = &parts_.pool, .deadline = deadline};
  step_.build(plan, repeat, parts_.plan.grid, parts_.comm.rank(), table);
  if (links_.first_stage()) links_.fill_previous_samples(step_, table, deadline);
  sort_sequences();
  if (!links_.last_stage()) samples_.clear();
  plan::StepResult result = new_result(plan, repeat);
  std::vector<int32_t> sampled;
  if (takes_part(plan)) {
    batch_.upload(step_, samples_, false, deadline);
    const Pass pass = make_pass(plan.token_capacity);
    enqueue_layers(pass, exec);
    if (links_.last_stage()) {
      for (const LocalSequence& local : step_.sequences())
        local.sequence->remember(*local.scheduled, parts_.constraints);
      score(pass, exec, result, report);
      enqueue_samples(pass, exec);
      fetch_tokens(repeat);
      sample_on_host(repeat, deadline, result);
      for (size_t i = result.tokens.size() - samples_.size(); i < result.tokens.size(); ++i)
        sampled.push_back(result.tokens[i].token);
    }
    parts_.queue.wait(deadline);
  }
  if (links_.last_stage()) links_.send_tokens(step_, sampled);
  if (links_.first_stage()) links_.expect_tokens(step_);
  send(std::move(result), report);
}

void DeviceStep::run_repeats(const plan::StepPlan& plan,
                             SequenceTable& table,
                             Deadline deadline,
                             const ReportResult& report) {
  const Exec exec{.stream = parts_.queue.view(), .pool = &parts_.pool, .deadline = deadline};
  for (int repeat = 0; repeat < plan.num_repeats; ++repeat) {
    step_.build(plan, repeat, parts_.plan.grid, parts_.comm.rank(), table);
    if (repeat == 0) sort_sequences();
    for (const LocalSequence& local : step_.sequences())
      local.sequence->remember(*local.scheduled, parts_.constraints);
    plan::StepResult result = new_result(plan, repeat);
    if (!takes_part(plan)) {
      send(std::move(result), report);
      continue;
    }
    batch_.upload(step_, samples_, repeat > 0, deadline);
    const Pass pass = make_pass(plan.token_capacity);
    if (needs_host_) {
      enqueue_layers(pass, exec);
      score(pass, exec, result, report);
      enqueue_samples(pass, exec);
      fetch_tokens(repeat);
      sample_on_host(repeat, deadline, result);
      send(std::move(result), report);
      continue;
    }
    enqueue_recorded(pass, exec);
    fetch_tokens(repeat);
    if (repeat == 0) continue;
    plan::StepResult last = new_result(plan, repeat - 1);
    take_tokens(repeat - 1, deadline, last);
    send(std::move(last), report);
  }
  if (needs_host_ || !takes_part(plan)) return;
  plan::StepResult last = new_result(plan, plan.num_repeats - 1);
  take_tokens(plan.num_repeats - 1, deadline, last);
  send(std::move(last), report);
}

void DeviceStep::sort_sequences() {
  samples_.clear();
  needs_host_ = false;
  for (size_t i = 0; i < step_.sequences().size(); ++i) {
    const LocalSequence& local = step_.sequences()[i];
    const auto [first, last] = scored_rows(local);
    if (first < last) needs_host_ = true;
    if (!local.scheduled->sample) continue;
    samples_.push_back(static_cast<int>(i));
    if (!chosen_by_device(local)) needs_host_ = true;
  }
}

DeviceStep::Pass DeviceStep::make_pass(int token_capacity) {
  const BatchShape& shape = batch_.shape();
  return {.batch = {.num_tokens = shape.tokens,
                    .num_sequences = shape.sequences,
                    .token_capacity = token_capacity,
                    .token_ids = batch_.token_ids(),
                    .positions = batch_.positions(),
                    .sequence_starts = batch_.starts(),
                    .kv = {.layers = &parts_.pools.kv_layers(),
                           .block_tables = batch_.block_tables(),
                           .block_table_stride = shape.block_table_stride},
                    .state = {.layers = &parts_.pools.delta_layers(), .slots = batch_.slots()}},
          .hidden = view_f32(hidden_.as<float>(), shape.tokens, parts_.config.hidden_size),
          .sample_rows = batch_.sample_rows(),
          .sample_slots = batch_.sample_slots()};
}

void DeviceStep::enqueue_layers(const Pass& pass, const Exec& exec) const {
  if (links_.first_stage()) {
    if (pass.batch.num_tokens > 0) embed(pass, exec);
  } else {
    links_.receive_hidden(step_, pass.hidden, *parts_.device_comm);
  }
  parts_.model.forward(pass.batch, pass.hidden, exec);
  if (!links_.last_stage()) links_.send_hidden(step_, pass.hidden, *parts_.device_comm);
}

void DeviceStep::embed(const Pass& pass, const Exec& exec) const {
  parts_.kernels.fill_tokens({.token_ids = pass.batch.token_ids,
                              .sequence_starts = pass.batch.sequence_starts,
                              .slots = pass.batch.state.slots,
                              .last_tokens = last_tokens_.as<int32_t>()},
                             exec);
  parts_.model.embed(pass.batch, pass.hidden, exec);
}

void DeviceStep::enqueue_samples(const Pass& pass, const Exec& exec) const {
  const int64_t count = pass.sample_rows.rows();
  if (count == 0) return;
  const TensorView rows = view_f32(rows_.as<float>(), count, parts_.config.hidden_size);
  const TensorView logits = view_f32(logits_.as<float>(), count, parts_.config.vocab_size);
  parts_.kernels.gather_rows({.input = pass.hidden, .row_ids = pass.sample_rows, .output = rows},
                             exec);
  parts_.model.logits(rows, logits, exec);
  Exec with_scratch = exec;
  with_scratch.workspace = argmax_scratch_.span();
  parts_.kernels.argmax_rows({.logits = logits,
                              .masked = masked_ids_.as<int32_t>(),
                              .num_masked = static_cast<int>(parts_.masked_ids.size()),
                              .token_ids = view_i32(chosen_.as<int32_t>(), count),
                              .slots = pass.sample_slots,
                              .last_tokens = last_tokens_.as<int32_t>()},
                             with_scratch);
}

void DeviceStep::enqueue_recorded(const Pass& pass, const Exec& exec) {
  const BatchShape& shape = batch_.shape();
  const auto all = [this, pass, exec] {
    enqueue_layers(pass, exec);
    enqueue_samples(pass, exec);
  };
  const int capacity = pass.batch.token_capacity;
  if (shape.tokens != shape.samples || !parts_.experts.recordable(capacity)) return all();
  Recorded& recorded = recorded_[{shape, capacity}];
  // The first use loads what is loaded late; nothing of that may happen in a recording.
  if (++recorded.uses == 1) return all();
  if (!recorded.graph) recorded.graph.emplace(parts_.queue, all);
  recorded.graph->launch(parts_.queue);
}

void DeviceStep::fetch_tokens(int repeat) {
  if (samples_.empty()) return;
  Fetched& fetched = fetched_[static_cast<size_t>(repeat) % fetched_.size()];
  parts_.queue.copy(fetched.tokens.data(), chosen_.data(), samples_.size() * sizeof(int32_t));
  parts_.queue.mark(fetched.arrived);
}

void DeviceStep::score(const Pass& pass,
                       const Exec& exec,
                       plan::StepResult& result,
                       const ReportResult& report) {
  for (const LocalSequence& local : step_.sequences()) {
    const auto [first, last] = scored_rows(local);
    for (int64_t begin = first; begin < last; begin += kScoreRows) {
      const int64_t count = std::min(kScoreRows, last - begin);
      const int64_t row = local.first_row + begin;
      const TensorView logits = view_f32(logits_.as<float>(), count, parts_.config.vocab_size);
      parts_.model.logits(pass.hidden.slice_rows(row, row + count), logits, exec);
      const TensorView on_host = view_f32(host_logits_.as<float>(), count, logits.cols());
      parts_.queue.copy(
          on_host.data, logits.data, static_cast<size_t>(logits.elements()) * sizeof(float));
      parts_.queue.wait(exec.deadline);
      add_scores(local, begin, on_host, result);
      report_if_large(result, report);
    }
  }
}

void DeviceStep::sample_on_host(int repeat, Deadline deadline, plan::StepResult& result) {
  if (samples_.empty()) return;
  const int64_t vocab = parts_.config.vocab_size;
  const auto row_bytes = static_cast<size_t>(vocab) * sizeof(float);
  const auto group = static_cast<size_t>(host_logits_.size() / row_bytes);
  fetched_[static_cast<size_t>(repeat) % fetched_.size()].arrived.wait(deadline);
  const auto* chosen = fetched_[static_cast<size_t>(repeat) % fetched_.size()].tokens.as<int32_t>();
  auto* tokens = host_tokens_.as<int32_t>();
  for (size_t begin = 0; begin < samples_.size(); begin += group) {
    const size_t end = std::min(samples_.size(), begin + group);
    for (size_t i = begin; i < end; ++i)
      if (!chosen_by_device(step_.sequences()[static_cast<size_t>(samples_[i])]))
        parts_.queue.copy(host_logits_.data() + (i - begin) * row_bytes,
                          logits_.data() + i * row_bytes,
                          row_bytes);
    parts_.queue.wait(deadline);
    for (size_t i = begin; i < end; ++i) {
      const LocalSequence& local = step_.sequences()[static_cast<size_t>(samples_[i])];
      if (chosen_by_device(local)) {
        result.tokens.push_back(take_token(local, chosen[i], repeat));
        continue;
      }
      const std::span<const float> row(
          host_logits_.as<float>() + static_cast<int64_t>(i - begin) * vocab,
          static_cast<size_t>(vocab));
      result.tokens.push_back(sample_row(local, row, repeat, parts_.masked_ids));
      // Where the next step looks for it. The staging word is written again only after a wait.
      tokens[i] = result.tokens.back().token;
      const int slot = local.sequence->admission.state_slot;
      parts_.queue.copy(last_tokens_.as<int32_t>() + slot, tokens + i, sizeof(int32_t));
    }
  }
}

void DeviceStep::take_tokens(int repeat, Deadline deadline, plan::StepResult& result) {
  if (samples_.empty()) return;
  const Fetched& fetched = fetched_[static_cast<size_t>(repeat) % fetched_.size()];
  fetched.arrived.wait(deadline);
  for (size_t i = 0; i < samples_.size(); ++i)
    result.tokens.push_back(take_token(step_.sequences()[static_cast<size_t>(samples_[i])],
                                       fetched.tokens.as<int32_t>()[i],
                                       repeat));
}

plan::StepResult DeviceStep::new_result(const plan::StepPlan& plan, int repeat) const {
  return {
      .epoch = plan.epoch, .step_id = plan.step_id, .repeat = repeat, .rank = parts_.comm.rank()};
}

void DeviceStep::send(plan::StepResult result, const ReportResult& report) {
  const Clock::time_point now = Clock::now();
  result.step_nanos = std::chrono::nanoseconds(now - begin_).count();
  begin_ = now;
  report(std::move(result));
}

}  // namespace shoal::engine
