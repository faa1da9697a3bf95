// A sequence as the scheduler sees it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cache/prefix_cache.h"
#include "runtime/plan/step_plan.h"

namespace shoal::scheduler {

struct NewSequence {
  plan::SequenceId id = 0;      // rising with age: the highest is paused first
  std::vector<int32_t> prompt;  // not empty
  // What an earlier epoch sampled; fewer than max_tokens. It runs with the prompt, and sampling
  // goes on behind it.
  std::vector<int32_t> generated;
  plan::SamplingParams sampling;
  int64_t max_tokens = 0;  // samples at most; 0: only the prompt is run (and scored)
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;
  std::string salt;   // of the prefix cache: only equal salts share
  std::string owner;  // whose share of the ranks it takes
  // Another choice of the same prompt: it starts from the state that this sequence leaves behind.
  std::optional<plan::SequenceId> fork_of;
  bool has_forks = false;  // others will name it in fork_of
};

struct Sequence {
  plan::SequenceId id = 0;
  std::vector<int32_t> tokens;  // the prompt, then every sample that is known
  int64_t prompt_len = 0;       // of the request
  plan::SamplingParams sampling;
  int64_t max_tokens = 0;
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;
  std::string salt, owner;
  bool is_fork = false, has_forks = false;

  int home = 0;
  int slot = 0;
  std::vector<plan::BlockId> blocks;
  cache::PrefixMatch prefix;     // what it started from, last time it entered
  std::vector<int64_t> save_at;  // where in its prompt to leave checkpoints, rising
  // Checkpoints of generated text, the last two at most: the later one counts once its tokens are
  // known.
  struct Growing {
    plan::CheckpointId checkpoint = plan::kNoCheckpoint;
    int64_t position = 0;
  };
  std::vector<Growing> growing;
  int64_t blocks_sent = 0;  // told to the ranks so far
  int64_t prefill_len = 0;  // tokens that were known when it was admitted: they run in chunks
  int64_t planned = 0;      // positions that plans already cover
  int64_t samples_planned = 0;
  plan::StepId last_step = 0;

  bool in_prefill() const { return planned < prefill_len; }
  bool wants_decode() const { return !in_prefill() && samples_planned < max_tokens; }
  int64_t samples_known() const { return static_cast<int64_t>(tokens.size()) - prompt_len; }
  int64_t max_len() const { return prompt_len + max_tokens; }
  // The token at the next position, or kPreviousSample while only the ranks know it.
  int32_t next_token() const {
    return planned < static_cast<int64_t>(tokens.size()) ? tokens[static_cast<size_t>(planned)]
                                                         : plan::kPreviousSample;
  }
};

}  // namespace shoal::scheduler
