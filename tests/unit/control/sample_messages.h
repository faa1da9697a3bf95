// One message of each kind with every field set, for tests of the codec.
#pragma once
#include <vector>

#include "runtime/control/messages.h"

namespace shoal::control {

inline plan::StepPlan full_plan() {
  plan::StepPlan plan{.epoch = 3, .step_id = 99, .num_repeats = 2, .token_capacity = 64};
  plan.admitted.push_back({.id = 5,
                           .home = 1,
                           .state_slot = 2,
                           .prompt_len = 7,
                           .sampling = {0.5f, 40, 0.9f, 0.1f, 1234567890123ULL},
                           .history = {1, 2, 3}});
  plan.admitted[0].sampling.presence_penalty = 0.5f;
  plan.admitted[0].sampling.frequency_penalty = -0.25f;
  plan.admitted[0].sampling.repetition_penalty = 1.25f;
  plan.admitted[0].sampling.logit_bias = {{3, -100}, {9, 2.5f}};
  plan.admitted[0].sampling.min_tokens = 4;
  plan.admitted[0].sampling.end_ids = {8, 9};
  plan.admitted[0].sampling.logprobs = 5;
  plan.admitted[0].sampling.constraint = {"root ::= \"a\"", 7};
  plan.released = {4, 8};
  plan.sequences.push_back({.id = 5,
                            .start = 16,
                            .tokens = {10, plan::kPreviousSample},
                            .new_blocks = {6, 7},
                            .sample = true,
                            .score = plan::Score::kChunk,
                            .score_start = 3,
                            .score_next = 12});
  return plan;
}

inline Welcome full_welcome() {
  sharding::ShardPlan plan;
  plan.grid = sharding::RankGrid({2, 1});
  plan.first_layer = {0, 4, 8};
  plan.experts = {sharding::ExpertPlacement::contiguous(16, 2),
                  sharding::ExpertPlacement::contiguous(16, 1)};
  plan.ranks.resize(3);
  plan.ranks[1].slices.push_back({7, 8, 16, Backend::kCpu});
  plan.ranks[1].weight_bytes = 1ULL << 40;
  plan.num_blocks = 10;
  plan.num_slots = 3;
  plan.max_context = 4096;
  return {.epoch = 2,
          .model_path = "m.gguf",
          .model_fingerprint = 77,
          .plan = plan,
          .num_threads = 2,
          .step_timeout_ms = 5};
}

inline std::vector<ToWorker> worker_messages() {
  return {full_welcome(), full_plan(), Leave{"bye"}, Heartbeat{1, 2}};
}

inline std::vector<ToCoordinator> coordinator_messages() {
  plan::StepResult result{.epoch = 1, .step_id = 2, .repeat = 1, .rank = 3};
  result.tokens.push_back({.id = 9,
                           .position = 10,
                           .token = 11,
                           .logprob = -1.5f,
                           .sampled = true,
                           .row = {0.5f, -2.0f},
                           .top = {{11, -1.5f}, {4, -1.75f}}});
  result.final_part = false;
  result.step_nanos = 12345;
  result.stats.tokens = 6;
  result.stats.seconds_idle = 0.25;
  return {Hello{"token", 1, 2, 3, "host", 4, "build"},
          LoadProgress{1, 2, 3, 4, true, "avx2", {{"attention", 5}}, 6},
          result,
          RankFailure{1, 2, 3, "why"},
          Heartbeat{5, 6}};
}

}  // namespace shoal::control
