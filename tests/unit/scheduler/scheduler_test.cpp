#include "runtime/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>

namespace shoal::scheduler {
namespace {

NewSequence sequence(plan::SequenceId id, int64_t prompt_len, int64_t max_tokens) {
  NewSequence out{.id = id, .max_tokens = max_tokens};
  for (int64_t i = 0; i < prompt_len; ++i) out.prompt.push_back(static_cast<int32_t>(i));
  return out;
}

SchedulerConfig small() {
  return {.ep_per_stage = {1},
          .num_home_groups = 1,
          .block_size = 4,
          .num_blocks = 8,
          .num_slots = 4,
          .max_batch_tokens = 6,
          .max_sequences = 4};
}

TEST(Scheduler, CutsAPromptIntoChunksOfTheBudgetAndSamplesAtItsEnd) {
  Scheduler scheduler(small());
  ASSERT_EQ(scheduler.admit(sequence(1, 8, 2)), AdmitResult::kAdmitted);
  const auto first = scheduler.next_plan(7);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->epoch, 7u);
  ASSERT_EQ(first->sequences.size(), 1u);
  EXPECT_EQ(first->sequences[0].tokens, (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(first->sequences[0].new_blocks.size(), 2u);
  EXPECT_FALSE(first->sequences[0].sample);
  EXPECT_EQ(first->token_capacity, 6);
  EXPECT_EQ(first->admitted.size(), 1u);

  const auto second = scheduler.next_plan(7);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sequences[0].start, 6);
  EXPECT_EQ(second->sequences[0].tokens, (std::vector<int32_t>{6, 7}));
  EXPECT_TRUE(second->sequences[0].sample);
  EXPECT_TRUE(second->admitted.empty());
  EXPECT_FALSE(scheduler.next_plan(7)) << "two plans in flight are enough for one stage";
}

TEST(Scheduler, PlansTheNextTokenBeforeTheLastIsKnown) {
  Scheduler scheduler(small());
  ASSERT_EQ(scheduler.admit(sequence(1, 2, 3)), AdmitResult::kAdmitted);
  const auto prefill = scheduler.next_plan(1);
  const auto ahead = scheduler.next_plan(1);
  ASSERT_TRUE(ahead);
  EXPECT_EQ(ahead->sequences[0].tokens, std::vector<int32_t>{plan::kPreviousSample});
  EXPECT_EQ(ahead->sequences[0].start, 2);
  scheduler.token_known(1, 42);
  scheduler.step_done(prefill->step_id);
  const auto third = scheduler.next_plan(1);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->sequences[0].tokens, std::vector<int32_t>{plan::kPreviousSample})
      << "42 was the first of two samples under way";
  scheduler.token_known(1, 43);
  scheduler.token_known(1, 44);
  scheduler.step_done(ahead->step_id);
  EXPECT_FALSE(scheduler.next_plan(1)) << "max_tokens samples are planned";
}

TEST(Scheduler, AdmitsOnThePromptAndAReserveOfABlockEach) {
  Scheduler scheduler(small());  // 8 blocks of 4
  EXPECT_FALSE(scheduler.fits(33));
  EXPECT_TRUE(scheduler.fits(32));
  EXPECT_EQ(scheduler.admit(sequence(1, 20, 13)), AdmitResult::kNoRoom) << "it could never end";
  ASSERT_EQ(scheduler.admit(sequence(1, 10, 10)), AdmitResult::kAdmitted);  // 3 blocks, may grow
  EXPECT_EQ(scheduler.num_free_blocks(), 5);
  EXPECT_EQ(scheduler.admit(sequence(2, 16, 1)), AdmitResult::kNoRoom)
      << "4 blocks, a reserve of 1 each: 6 of 5";
  EXPECT_EQ(scheduler.admit(sequence(2, 14, 2)), AdmitResult::kAdmitted)
      << "4 blocks for ever, a reserve of 1: 5 of 5";
  EXPECT_EQ(scheduler.num_free_blocks(), 1);
  scheduler.release(1);
  EXPECT_EQ(scheduler.num_free_blocks(), 4);
}

// Answers every plan at once with one formula for samples.
void answer(Scheduler& scheduler, const plan::StepPlan& plan) {
  for (const plan::ScheduledSequence& s : plan.sequences)
    if (s.sample)
      scheduler.token_known(s.id, static_cast<int32_t>(1000 + s.start + std::ssize(s.tokens)));
  scheduler.step_done(plan.step_id);
}

TEST(Scheduler, PausesTheYoungestWhenBlocksRunOutAndRunsItAgainWithWhatItSaid) {
  SchedulerConfig config = small();
  config.max_batch_tokens = 64;
  Scheduler scheduler(config);
  ASSERT_EQ(scheduler.admit(sequence(1, 8, 24)),
            AdmitResult::kAdmitted);  // 2 blocks now, 8 in the end
  ASSERT_EQ(scheduler.admit(sequence(2, 8, 12)),
            AdmitResult::kAdmitted);  // 2 blocks now, 5 in the end
  std::vector<plan::StepPlan> plans;
  while (scheduler.num_pauses() == 0) {
    plans.push_back(scheduler.next_plan(1).value());
    answer(scheduler, plans.back());
    ASSERT_LT(plans.size(), 20u);
  }
  // Both hold 4 blocks at 16 positions; position 16 needs a ninth.
  EXPECT_EQ(plans.back().released, std::vector<plan::SequenceId>{2});
  ASSERT_EQ(plans.back().sequences.size(), 1u);
  EXPECT_EQ(plans.back().sequences[0].id, 1u);
  EXPECT_EQ(plans.back().sequences[0].start, 16);
  EXPECT_EQ(scheduler.num_paused(), 1);
  EXPECT_EQ(scheduler.num_running(), 2);
  EXPECT_EQ(scheduler.admit(sequence(3, 1, 1)), AdmitResult::kNoRoom)
      << "who was paused comes first";

  while (plans.back().sequences[0].start < 30) {
    plans.push_back(scheduler.next_plan(1).value());
    answer(scheduler, plans.back());
    ASSERT_EQ(plans.back().sequences.size(), 1u);
  }
  scheduler.release(1);
  const plan::StepPlan again = scheduler.next_plan(1).value();
  ASSERT_EQ(again.admitted.size(), 1u);
  EXPECT_EQ(again.admitted[0].id, 2u);
  EXPECT_EQ(again.admitted[0].prompt_len, 8) << "the request's prompt, whatever runs again";
  ASSERT_EQ(again.sequences.size(), 1u);
  const plan::ScheduledSequence& rerun = again.sequences[0];
  EXPECT_EQ(rerun.start, 0);
  // The prompt 0..7, then the 9 samples of positions 8..16.
  std::vector<int32_t> want = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int32_t position = 8; position <= 16; ++position) want.push_back(1000 + position);
  EXPECT_EQ(rerun.tokens, want);
  EXPECT_EQ(rerun.new_blocks.size(), 5u);
  EXPECT_TRUE(rerun.sample);
}

TEST(Scheduler, APausedSequenceWaitsForItsSamplesUnderWay) {
  SchedulerConfig config = small();
  config.num_blocks = 4;
  config.max_batch_tokens = 64;
  Scheduler scheduler(config);
  ASSERT_EQ(scheduler.admit(sequence(1, 4, 12)), AdmitResult::kAdmitted);
  ASSERT_EQ(scheduler.admit(sequence(2, 4, 12)), AdmitResult::kAdmitted);
  std::vector<plan::StepPlan> plans = {scheduler.next_plan(1).value()};
  while (scheduler.num_pauses() == 0) {
    if (plans.size() > 1) answer(scheduler, plans[plans.size() - 2]);
    plans.push_back(scheduler.next_plan(1).value());
    ASSERT_LT(plans.size(), 10u);
  }
  // Each plan was made before the one before it was answered, so the fifth is out, and in it the
  // sample of 2 at position 8.
  ASSERT_EQ(plans.size(), 6u);
  EXPECT_EQ(plans[5].released, std::vector<plan::SequenceId>{2});
  scheduler.release(1);
  scheduler.step_done(plans[5].step_id);
  EXPECT_FALSE(scheduler.next_plan(1)) << "there is room, but not yet its last sample";
  answer(scheduler, plans[4]);
  const plan::StepPlan again = scheduler.next_plan(1).value();
  ASSERT_EQ(again.sequences.size(), 1u);
  EXPECT_EQ(again.sequences[0].tokens,
            (std::vector<int32_t>{0, 1, 2, 3, 1004, 1005, 1006, 1007, 1008}));
}

TEST(Scheduler, APausedScoreGoesOnWhereItStopped) {
  SchedulerConfig config = small();
  config.max_batch_tokens = 5;
  Scheduler scheduler(config);
  NewSequence scored = sequence(2, 16, 0);
  scored.score = plan::Score::kChunk;
  ASSERT_EQ(scheduler.admit(sequence(1, 8, 24)), AdmitResult::kAdmitted);
  ASSERT_EQ(scheduler.admit(scored), AdmitResult::kAdmitted);  // 4 blocks
  std::vector<plan::StepPlan> plans;
  while (scheduler.num_paused() == 0 && plans.size() < 40) {
    plans.push_back(scheduler.next_plan(1).value());
    for (const auto& s : plans.back().sequences)
      if (s.sample) scheduler.token_known(s.id, 7);
    scheduler.step_done(plans.back().step_id);
  }
  // Sequence 2 had its whole prompt scored before sequence 1 needed a fifth block: nothing of it
  // may be scored again.
  ASSERT_EQ(scheduler.num_paused(), 1);
  scheduler.release(1);
  const plan::StepPlan again = scheduler.next_plan(1).value();
  ASSERT_EQ(again.sequences.size(), 1u);
  EXPECT_EQ(again.sequences[0].score, plan::Score::kNone);
}

SchedulerConfig cached() {
  SchedulerConfig config = small();
  config.num_blocks = 32;
  config.num_checkpoints = 4;
  config.block_bytes = 1;
  config.checkpoint_bytes = 1000;  // so much that a prompt leaves one, at its end
  config.max_batch_tokens = 64;
  return config;
}

TEST(Scheduler, ChoicesWaitForTheStateOfTheFirstAndStartFromIt) {
  Scheduler scheduler(cached());
  NewSequence first = sequence(1, 20, 4), second = sequence(2, 20, 4);
  first.has_forks = true;
  second.fork_of = 1;
  ASSERT_EQ(scheduler.admit(first), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.admit(second), AdmitResult::kLater);
  const plan::StepPlan head = scheduler.next_plan(1).value();
  ASSERT_EQ(head.sequences.size(), 1u);
  EXPECT_EQ(head.sequences[0].tokens.size(), 12u) << "whole blocks of 4 that leave 8 tokens";
  ASSERT_NE(head.sequences[0].save, plan::kNoCheckpoint);
  ASSERT_EQ(scheduler.admit(second), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.prefix_of(2).tokens, 12);
  const plan::StepPlan rest = scheduler.next_plan(1).value();
  ASSERT_EQ(rest.admitted.size(), 1u);
  EXPECT_EQ(rest.admitted[0].checkpoint, head.sequences[0].save);
  EXPECT_EQ(rest.admitted[0].shared_blocks, head.sequences[0].new_blocks);
  ASSERT_EQ(rest.sequences.size(), 2u);
  for (const plan::ScheduledSequence& run : rest.sequences) {
    EXPECT_EQ(run.start, 12);
    EXPECT_EQ(run.tokens.size(), 8u);
    EXPECT_TRUE(run.sample);
  }
  EXPECT_NE(rest.sequences[0].new_blocks, rest.sequences[1].new_blocks);
}

TEST(Scheduler, AHitKeepsTheHomeUnlessTheLoadSaysOtherwise) {
  SchedulerConfig config = cached();
  config.ep_per_stage = {2};
  config.num_home_groups = 2;
  config.max_batch_tokens = 2048;
  config.num_blocks = 400;
  config.max_sequences = 4;
  Scheduler scheduler(config);
  const auto homes_of = [&](const std::vector<NewSequence>& sequences) {
    for (const NewSequence& s : sequences) EXPECT_EQ(scheduler.admit(s), AdmitResult::kAdmitted);
    std::vector<int> homes;
    const auto plan = scheduler.next_plan(1).value();
    for (const plan::Admission& admission : plan.admitted) homes.push_back(admission.home);
    answer(scheduler, plan);
    return homes;
  };
  ASSERT_EQ(homes_of({sequence(1, 700, 100)}), std::vector<int>{0});
  answer(scheduler, scheduler.next_plan(1).value());
  // 692 tokens saved outweigh two sequences at 256 each, but not three.
  EXPECT_EQ(homes_of({sequence(2, 700, 100), sequence(3, 700, 100)}), (std::vector<int>{0, 0}));
  EXPECT_EQ(homes_of({sequence(4, 700, 100)}), std::vector<int>{1});
}

TEST(Scheduler, TheCacheGivesItsBlocksUpBeforeAnybodyIsPaused) {
  SchedulerConfig config = cached();
  config.num_blocks = 10;
  Scheduler scheduler(config);
  NewSequence first = sequence(1, 20, 1);
  first.has_forks = true;  // so that even so short a prompt leaves a state
  ASSERT_EQ(scheduler.admit(first), AdmitResult::kAdmitted);
  for (int i = 0; i < 2; ++i) answer(scheduler, scheduler.next_plan(1).value());
  scheduler.release(1);
  EXPECT_EQ(scheduler.num_cached_blocks(), 3);
  EXPECT_EQ(scheduler.num_free_blocks(), 10) << "nobody uses them";
  NewSequence second = sequence(2, 20, 20);
  second.salt = "another";
  ASSERT_EQ(scheduler.admit(second), AdmitResult::kAdmitted);
  for (int i = 0; i < 20; ++i) answer(scheduler, scheduler.next_plan(1).value());
  EXPECT_EQ(scheduler.num_pauses(), 0u);
  EXPECT_EQ(scheduler.prefix_cache().num_evictions(), 1u);
}

TEST(Scheduler, AnUnannouncedSequenceLeavesWithoutATrace) {
  Scheduler scheduler(small());
  ASSERT_EQ(scheduler.admit(sequence(1, 2, 2)), AdmitResult::kAdmitted);
  ASSERT_EQ(scheduler.admit(sequence(2, 2, 2)), AdmitResult::kAdmitted);
  scheduler.release(1);
  const auto plan = scheduler.next_plan(1);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->admitted.size(), 1u);
  EXPECT_EQ(plan->admitted[0].id, 2u);
  EXPECT_TRUE(plan->released.empty());
  scheduler.release(2);
  ASSERT_EQ(scheduler.admit(sequence(3, 2, 2)), AdmitResult::kAdmitted);
  const auto next = scheduler.next_plan(1);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->released, std::vector<plan::SequenceId>{2});
}

TEST(Scheduler, SpreadsHomesAndKeepsEveryRankWithinItsBudget) {
  SchedulerConfig config = small();
  config.ep_per_stage = {3, 2};
  config.num_blocks = 64;
  config.num_slots = 6;
  config.max_sequences = 6;
  Scheduler scheduler(config);
  std::multiset<int> homes;
  for (plan::SequenceId id = 1; id <= 6; ++id)
    ASSERT_EQ(scheduler.admit(sequence(id, 5, 4)), AdmitResult::kAdmitted);
  const auto plan = scheduler.next_plan(1);
  ASSERT_TRUE(plan);
  std::vector<int> home_of(7);
  for (const plan::Admission& admission : plan->admitted) {
    homes.insert(admission.home);
    home_of[admission.id] = admission.home;
  }
  EXPECT_EQ(homes, (std::multiset<int>{0, 0, 1, 1, 2, 2}));
  std::vector<size_t> first(3), second(2);
  for (const plan::ScheduledSequence& scheduled : plan->sequences) {
    const auto home = static_cast<size_t>(home_of[scheduled.id]);
    first[home % 3] += scheduled.tokens.size();
    second[home % 2] += scheduled.tokens.size();
  }
  for (const size_t tokens : first) EXPECT_LE(tokens, 6u);
  for (const size_t tokens : second) EXPECT_LE(tokens, 6u);
}

TEST(Scheduler, TheSameCallsGiveTheSamePlans) {
  const auto trace = [] {
    Scheduler scheduler(small());
    std::vector<plan::StepPlan> plans;
    for (plan::SequenceId id = 1; id <= 3; ++id) scheduler.admit(sequence(id, 3, 3));
    for (int round = 0; round < 6; ++round) {
      while (const auto plan = scheduler.next_plan(1)) plans.push_back(*plan);
      for (const plan::ScheduledSequence& s : plans.back().sequences)
        if (s.sample) scheduler.token_known(s.id, 1);
      scheduler.step_done(plans.back().step_id);
    }
    return plans;
  };
  EXPECT_EQ(trace(), trace());
}

}  // namespace
}  // namespace shoal::scheduler
