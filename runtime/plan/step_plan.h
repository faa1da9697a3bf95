// What every rank runs in one step, as a value: it can be printed, compared, sent and replayed.
// Made by the scheduler on the coordinator, consumed by the engine on the ranks. The model never
// sees these types.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/plan/sampling_params.h"

namespace shoal::plan {

using SequenceId = uint64_t;
using StepId = uint64_t;
using Epoch = uint32_t;
using BlockId = int32_t;

// In ScheduledSequence::tokens: the token that this sequence sampled last, known to the ranks
// only, so that the next step can be planned before the last one's tokens are back.
inline constexpr int32_t kPreviousSample = -1;

// What of the logits goes back to the coordinator besides the sampled token.
enum class Score : uint8_t {
  kNone,
  kSampled,     // log-probability of the sampled token (SamplingParams::logprobs says it too)
  kChunk,       // log-probability of each next token of the chunk (NLL is computed on the rank)
  kFullLogits,  // the whole row of log-probabilities for each scored position
};

// A place for the recurrent state of a text that others may start from, with the blocks before it;
// ids of a home group's pool, as slots are.
using CheckpointId = int32_t;
inline constexpr CheckpointId kNoCheckpoint = -1;

// A sequence enters. `home` fixes its owner on every stage (owner = home % ep(stage)). Before the
// step its state slot is zeroed, or becomes a copy of `checkpoint`.
struct Admission {
  SequenceId id = 0;
  int home = 0;
  int state_slot = 0;
  CheckpointId checkpoint = kNoCheckpoint;
  std::vector<BlockId> shared_blocks;  // the head of its block table: full, written by others
  int64_t prompt_len = 0;
  SamplingParams sampling;
  // Tokens before the first `start`: needed where that is above 0 and sampling.looks_back().
  std::vector<int32_t> history;
  bool operator==(const Admission&) const = default;
};

struct ScheduledSequence {
  SequenceId id = 0;
  int64_t start = 0;                // position of tokens[0]
  std::vector<int32_t> tokens;      // a chunk of the prompt, or one token of decode
  std::vector<BlockId> new_blocks;  // appended to the sequence's block table before the step
  bool sample = false;              // sample after the last token
  Score score = Score::kNone;
  int64_t score_start = 0;            // kChunk, kFullLogits: first position scored
  int32_t score_next = -1;            // kChunk: the token that follows this chunk, -1 if none
  CheckpointId save = kNoCheckpoint;  // gets a copy of the state after the step
  bool operator==(const ScheduledSequence&) const = default;
};

struct StepPlan {
  Epoch epoch = 0;
  StepId step_id = 0;
  int num_repeats = 1;     // > 1: a burst of decode steps, each fed with the sample before it
  int token_capacity = 0;  // most tokens any one rank of a stage may hold; equal on all ranks
  std::vector<Admission> admitted;
  std::vector<SequenceId> released;
  std::vector<ScheduledSequence> sequences;
  bool operator==(const StepPlan&) const = default;
};

struct TokenLogprob {
  int32_t token = -1;
  float logprob = 0;
  bool operator==(const TokenLogprob&) const = default;
};

struct TokenScore {
  SequenceId id = 0;
  int64_t position = 0;  // position that `token` takes (or would take) in its sequence
  int32_t token = -1;
  float logprob = 0;
  bool sampled = false;           // false: a scored token of a chunk
  std::vector<float> row;         // kFullLogits: log-probabilities [vocab]
  std::vector<TokenLogprob> top;  // SamplingParams::logprobs > 0: the likeliest ids here
  bool operator==(const TokenScore&) const = default;
};

// What a rank did, cumulative since it joined the epoch; seconds by part of the step.
struct RankStats {
  uint64_t steps = 0, tokens = 0, expert_rows = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
  double seconds_attention = 0, seconds_delta_net = 0, seconds_router = 0, seconds_dispatch = 0;
  double seconds_expert = 0, seconds_combine = 0, seconds_sampling = 0, seconds_idle = 0;
  bool operator==(const RankStats&) const = default;
};

struct StepResult {
  Epoch epoch = 0;
  StepId step_id = 0;
  int repeat = 0;
  int rank = 0;
  std::vector<TokenScore> tokens;
  bool final_part = true;  // false: more results of this rank's step follow (large rows)
  int64_t step_nanos = 0;
  RankStats stats;
  bool operator==(const StepResult&) const = default;
};

}  // namespace shoal::plan
