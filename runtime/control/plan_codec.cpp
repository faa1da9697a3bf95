#include "runtime/control/plan_codec.h"

namespace shoal::control {
namespace {

using plan::Admission;
using plan::ScheduledSequence;
using plan::StepPlan;
using plan::StepResult;
using plan::TokenScore;

constexpr size_t kPair = 4 + 4;  // an id and a number

void put(ByteWriter& out, const plan::SamplingParams& params) {
  out.put(params.temperature);
  out.put(params.top_k);
  out.put(params.top_p);
  out.put(params.min_p);
  out.put(params.seed);
  out.put(params.presence_penalty);
  out.put(params.frequency_penalty);
  out.put(params.repetition_penalty);
  out.put(static_cast<uint32_t>(params.logit_bias.size()));
  for (const plan::LogitBias& entry : params.logit_bias) {
    out.put(entry.id);
    out.put(entry.bias);
  }
  out.put(params.min_tokens);
  out.put_numbers(params.end_ids);
  out.put(params.logprobs);
  out.put_string(params.constraint.gbnf);
  out.put(params.constraint.starts_after);
}

plan::SamplingParams get_sampling(ByteReader& in) {
  plan::SamplingParams params;
  params.temperature = in.get<float>();
  params.top_k = in.get<int32_t>();
  params.top_p = in.get<float>();
  params.min_p = in.get<float>();
  params.seed = in.get<uint64_t>();
  params.presence_penalty = in.get<float>();
  params.frequency_penalty = in.get<float>();
  params.repetition_penalty = in.get<float>();
  for (uint32_t left = in.get_count(kPair); left > 0; --left) {
    plan::LogitBias& entry = params.logit_bias.emplace_back();
    entry.id = in.get<int32_t>();
    entry.bias = in.get<float>();
  }
  params.min_tokens = in.get<int64_t>();
  params.end_ids = in.get_numbers<int32_t>();
  params.logprobs = in.get<int32_t>();
  params.constraint.gbnf = in.get_string();
  params.constraint.starts_after = in.get<int32_t>();
  return params;
}

void put(ByteWriter& out, const Admission& admission) {
  out.put(admission.id);
  out.put(admission.home);
  out.put(admission.state_slot);
  out.put(admission.checkpoint);
  out.put_numbers(admission.shared_blocks);
  out.put(admission.prompt_len);
  put(out, admission.sampling);
  out.put_numbers(admission.history);
}

Admission get_admission(ByteReader& in) {
  Admission admission;
  admission.id = in.get<uint64_t>();
  admission.home = in.get<int>();
  admission.state_slot = in.get<int>();
  admission.checkpoint = in.get<plan::CheckpointId>();
  admission.shared_blocks = in.get_numbers<plan::BlockId>();
  admission.prompt_len = in.get<int64_t>();
  admission.sampling = get_sampling(in);
  admission.history = in.get_numbers<int32_t>();
  return admission;
}

void put(ByteWriter& out, const ScheduledSequence& sequence) {
  out.put(sequence.id);
  out.put(sequence.start);
  out.put_numbers(sequence.tokens);
  out.put_numbers(sequence.new_blocks);
  out.put(static_cast<uint8_t>(sequence.sample));
  out.put(sequence.score);
  out.put(sequence.score_start);
  out.put(sequence.score_next);
  out.put(sequence.save);
}

ScheduledSequence get_sequence(ByteReader& in) {
  ScheduledSequence sequence;
  sequence.id = in.get<uint64_t>();
  sequence.start = in.get<int64_t>();
  sequence.tokens = in.get_numbers<int32_t>();
  sequence.new_blocks = in.get_numbers<plan::BlockId>();
  sequence.sample = in.get_bool();
  sequence.score = in.get_enum(plan::Score::kFullLogits);
  sequence.score_start = in.get<int64_t>();
  sequence.score_next = in.get<int32_t>();
  sequence.save = in.get<plan::CheckpointId>();
  return sequence;
}

void put(ByteWriter& out, const TokenScore& score) {
  out.put(score.id);
  out.put(score.position);
  out.put(score.token);
  out.put(score.logprob);
  out.put(static_cast<uint8_t>(score.sampled));
  out.put_numbers(score.row);
  out.put(static_cast<uint32_t>(score.top.size()));
  for (const plan::TokenLogprob& entry : score.top) {
    out.put(entry.token);
    out.put(entry.logprob);
  }
}

TokenScore get_score(ByteReader& in) {
  TokenScore score;
  score.id = in.get<uint64_t>();
  score.position = in.get<int64_t>();
  score.token = in.get<int32_t>();
  score.logprob = in.get<float>();
  score.sampled = in.get_bool();
  score.row = in.get_numbers<float>();
  for (uint32_t left = in.get_count(kPair); left > 0; --left) {
    plan::TokenLogprob& entry = score.top.emplace_back();
    entry.token = in.get<int32_t>();
    entry.logprob = in.get<float>();
  }
  return score;
}

// One visitor for both directions keeps the field order in one place.
template <class Stats, class Field>
void each_stat(Stats& stats, Field field) {
  field(stats.steps);
  field(stats.tokens);
  field(stats.expert_rows);
  field(stats.bytes_sent);
  field(stats.bytes_received);
  field(stats.seconds_attention);
  field(stats.seconds_delta_net);
  field(stats.seconds_router);
  field(stats.seconds_dispatch);
  field(stats.seconds_expert);
  field(stats.seconds_combine);
  field(stats.seconds_sampling);
  field(stats.seconds_idle);
}

// Smallest encodings, to bound counts before memory is taken.
constexpr size_t kMinSampling = 24 + 3 * 4 + 4 + 8 + 4 + 4 + 4 + 4;
constexpr size_t kMinAdmission = 8 + 4 + 4 + 4 + 4 + 8 + kMinSampling + 4;
constexpr size_t kMinSequence = 8 + 8 + 4 + 4 + 1 + 1 + 8 + 4 + 4;
constexpr size_t kMinScore = 8 + 8 + 4 + 4 + 1 + 4 + 4;
constexpr size_t kSlice = 4 + 8 + 8 + 1;
constexpr size_t kMinShare = 4 + 5 * 8;
constexpr int kMaxRanks = 4096;
constexpr int kMaxExperts = 65'536;

}  // namespace

void put(ByteWriter& out, const StepPlan& plan) {
  out.put(plan.epoch);
  out.put(plan.step_id);
  out.put(plan.num_repeats);
  out.put(plan.token_capacity);
  out.put(static_cast<uint32_t>(plan.admitted.size()));
  for (const Admission& admission : plan.admitted) put(out, admission);
  out.put_numbers(plan.released);
  out.put(static_cast<uint32_t>(plan.sequences.size()));
  for (const ScheduledSequence& sequence : plan.sequences) put(out, sequence);
}

StepPlan get_step_plan(ByteReader& in) {
  StepPlan plan;
  plan.epoch = in.get<plan::Epoch>();
  plan.step_id = in.get<plan::StepId>();
  plan.num_repeats = in.get<int>();
  plan.token_capacity = in.get<int>();
  for (uint32_t left = in.get_count(kMinAdmission); left > 0; --left)
    plan.admitted.push_back(get_admission(in));
  plan.released = in.get_numbers<plan::SequenceId>();
  for (uint32_t left = in.get_count(kMinSequence); left > 0; --left)
    plan.sequences.push_back(get_sequence(in));
  if (plan.num_repeats < 1 || plan.token_capacity < 0) in.refuse();
  return plan;
}

void put(ByteWriter& out, const StepResult& result) {
  out.put(result.epoch);
  out.put(result.step_id);
  out.put(result.repeat);
  out.put(result.rank);
  out.put(static_cast<uint32_t>(result.tokens.size()));
  for (const TokenScore& score : result.tokens) put(out, score);
  out.put(static_cast<uint8_t>(result.final_part));
  out.put(result.step_nanos);
  each_stat(result.stats, [&out](const auto& field) { out.put(field); });
}

StepResult get_step_result(ByteReader& in) {
  StepResult result;
  result.epoch = in.get<plan::Epoch>();
  result.step_id = in.get<plan::StepId>();
  result.repeat = in.get<int>();
  result.rank = in.get<int>();
  for (uint32_t left = in.get_count(kMinScore); left > 0; --left)
    result.tokens.push_back(get_score(in));
  result.final_part = in.get_bool();
  result.step_nanos = in.get<int64_t>();
  each_stat(result.stats,
            [&in](auto& field) { field = in.get<std::remove_reference_t<decltype(field)>>(); });
  return result;
}

void put(ByteWriter& out, const sharding::ShardPlan& plan) {
  out.put_numbers(plan.grid.ep_per_stage());
  out.put(plan.dense);
  out.put_numbers(plan.first_layer);
  out.put(static_cast<uint32_t>(plan.experts.size()));
  for (const sharding::ExpertPlacement& placement : plan.experts) {
    out.put(placement.num_experts());
    out.put(placement.ep());
  }
  out.put(static_cast<uint32_t>(plan.ranks.size()));
  for (const sharding::RankShare& share : plan.ranks) {
    out.put(static_cast<uint32_t>(share.slices.size()));
    for (const sharding::TensorSlice& slice : share.slices) {
      out.put(slice.tensor_idx);
      out.put(slice.outer_begin);
      out.put(slice.outer_end);
      out.put(slice.backend);
    }
    for (const uint64_t bytes : {share.weight_bytes,
                                 share.expert_bytes,
                                 share.kv_bytes,
                                 share.state_bytes,
                                 share.scratch_bytes})
      out.put(bytes);
  }
  out.put(plan.block_size);
  out.put(plan.num_blocks);
  out.put(plan.num_slots);
  out.put(plan.num_checkpoints);
  out.put(plan.max_cache_bytes);
  out.put(plan.max_context);
  out.put(plan.max_batch_tokens);
}

sharding::ShardPlan get_shard_plan(ByteReader& in) {
  sharding::ShardPlan plan;
  const auto widths = in.get_numbers<int>();
  int64_t ranks = 0;
  for (const int width : widths) {
    if (width < 1 || width > kMaxRanks) in.refuse();
    ranks += width;
  }
  if (widths.empty() || ranks > kMaxRanks) in.refuse();
  if (!in.valid()) return plan;
  plan.grid = sharding::RankGrid(widths);
  plan.dense = in.get_enum(sharding::DenseSplit::kOutputRows);
  plan.first_layer = in.get_numbers<int>();
  // Each of these takes far more memory than its 8 bytes, so their number is checked first.
  const uint32_t num_placements = in.get_count(8);
  if (num_placements != widths.size()) in.refuse();
  for (uint32_t left = in.valid() ? num_placements : 0; left > 0; --left) {
    const auto num_experts = in.get<int>();
    const auto ep = in.get<int>();
    if (num_experts < 1 || num_experts > kMaxExperts || ep < 1 || ep > num_experts) in.refuse();
    if (!in.valid()) return plan;
    plan.experts.push_back(sharding::ExpertPlacement::contiguous(num_experts, ep));
  }
  for (uint32_t left = in.get_count(kMinShare); left > 0; --left) {
    sharding::RankShare share;
    for (uint32_t slices = in.get_count(kSlice); slices > 0; --slices) {
      sharding::TensorSlice slice;
      slice.tensor_idx = in.get<int>();
      slice.outer_begin = in.get<int64_t>();
      slice.outer_end = in.get<int64_t>();
      slice.backend = in.get_enum(Backend::kCuda);
      share.slices.push_back(slice);
    }
    for (uint64_t* bytes : {&share.weight_bytes,
                            &share.expert_bytes,
                            &share.kv_bytes,
                            &share.state_bytes,
                            &share.scratch_bytes})
      *bytes = in.get<uint64_t>();
    plan.ranks.push_back(std::move(share));
  }
  plan.block_size = in.get<int>();
  plan.num_blocks = in.get<int>();
  plan.num_slots = in.get<int>();
  plan.num_checkpoints = in.get<int>();
  plan.max_cache_bytes = in.get<uint64_t>();
  plan.max_context = in.get<int64_t>();
  plan.max_batch_tokens = in.get<int>();
  if (plan.block_size < 1 || plan.num_blocks < 0 || plan.num_slots < 0 ||
      plan.num_checkpoints < 0 || plan.first_layer.size() != widths.size() + 1 ||
      plan.experts.size() != widths.size() || plan.ranks.size() != static_cast<size_t>(ranks))
    in.refuse();
  return plan;
}

}  // namespace shoal::control
