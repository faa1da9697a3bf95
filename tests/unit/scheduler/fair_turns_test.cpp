// Who gives way to whom: the scheduler with several owners.
#include <gtest/gtest.h>

#include <set>

#include "runtime/scheduler/scheduler.h"

namespace shoal::scheduler {
namespace {

NewSequence sequence(plan::SequenceId id, const std::string& owner, int64_t prompt_len = 4) {
  NewSequence out{.id = id, .max_tokens = 8, .owner = owner};
  for (int64_t i = 0; i < prompt_len; ++i) out.prompt.push_back(static_cast<int32_t>(id));
  return out;
}

SchedulerConfig four_seats() {
  return {
      .block_size = 4, .num_blocks = 64, .num_slots = 4, .max_batch_tokens = 8, .max_sequences = 4};
}

std::set<plan::SequenceId> ids_of(const std::optional<plan::StepPlan>& plan) {
  std::set<plan::SequenceId> ids;
  if (plan)
    for (const auto& one : plan->sequences) ids.insert(one.id);
  return ids;
}

// Runs a step to its end; every sample is token 1.
std::set<plan::SequenceId> step(Scheduler& scheduler) {
  const auto plan = scheduler.next_plan(1);
  if (!plan) return {};
  for (const auto& one : plan->sequences)
    if (one.sample) scheduler.token_known(one.id, 1);
  scheduler.step_done(plan->step_id);
  return ids_of(plan);
}

TEST(FairTurns, TheYoungestOfTheRichGivesWayUntilBothAreLevel) {
  Scheduler scheduler(four_seats());
  for (const plan::SequenceId id : {1, 2, 3, 4})
    ASSERT_EQ(scheduler.admit(sequence(id, "rich")), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.admit(sequence(5, "rich")), AdmitResult::kNoRoom);
  EXPECT_EQ(scheduler.num_paused(), 0);
  ASSERT_EQ(scheduler.admit(sequence(6, "poor")), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.num_paused(), 1);
  ASSERT_EQ(scheduler.admit(sequence(7, "poor")), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.num_paused(), 2);
  EXPECT_EQ(scheduler.admit(sequence(8, "poor")), AdmitResult::kNoRoom) << "two and two";
  EXPECT_EQ(scheduler.num_paused(), 2) << "a refusal changes nothing";
  std::set<plan::SequenceId> ran;
  for (int i = 0; i < 3; ++i) ran.merge(step(scheduler));
  EXPECT_EQ(ran, (std::set<plan::SequenceId>{1, 2, 6, 7}));
}

TEST(FairTurns, WhoGaveWayComesBackBeforeItsOwnersNextOne) {
  Scheduler scheduler(four_seats());
  for (const plan::SequenceId id : {1, 2, 3, 4}) scheduler.admit(sequence(id, "rich"));
  scheduler.admit(sequence(5, "poor"));
  EXPECT_EQ(scheduler.admit(sequence(6, "rich")), AdmitResult::kNoRoom);
  scheduler.release(5);
  EXPECT_EQ(scheduler.admit(sequence(6, "rich")), AdmitResult::kNoRoom) << "4 waits for the seat";
  step(scheduler);
  EXPECT_EQ(scheduler.num_paused(), 0);
}

TEST(FairTurns, WeightsSayWhatLevelIs) {
  Scheduler scheduler(four_seats(),
                      std::make_shared<FairShare>(std::map<std::string, double>{{"rich", 3}}));
  for (const plan::SequenceId id : {1, 2, 3, 4}) scheduler.admit(sequence(id, "rich"));
  EXPECT_EQ(scheduler.admit(sequence(5, "poor")), AdmitResult::kAdmitted) << "3/3 beside 1/1";
  EXPECT_EQ(scheduler.admit(sequence(6, "poor")), AdmitResult::kNoRoom) << "2/3 beside 2/1";
}

TEST(FairTurns, OneSeatIsNeverTakenAway) {
  SchedulerConfig config = four_seats();
  config.max_sequences = 1;
  Scheduler scheduler(config);
  scheduler.admit(sequence(1, "rich"));
  EXPECT_EQ(scheduler.admit(sequence(2, "poor")), AdmitResult::kNoRoom);
  EXPECT_EQ(scheduler.num_paused(), 0);
}

TEST(FairTurns, BlocksAreGivenToo) {
  SchedulerConfig config = four_seats();
  config.num_blocks = 12;
  config.num_slots = config.max_sequences = 8;
  Scheduler scheduler(config);
  for (const plan::SequenceId id : {1, 2, 3})  // each 3 blocks now, 2 to grow, 1 of them kept
    ASSERT_EQ(scheduler.admit(sequence(id, "rich", 12)), AdmitResult::kAdmitted);
  EXPECT_EQ(scheduler.num_free_blocks(), 3);
  ASSERT_EQ(scheduler.admit(sequence(4, "poor", 8)), AdmitResult::kAdmitted) << "2 blocks and 1";
  EXPECT_EQ(scheduler.num_paused(), 1);
  EXPECT_EQ(scheduler.num_free_blocks(), 4);
  EXPECT_EQ(scheduler.admit(sequence(5, "poor", 40)), AdmitResult::kNoRoom)
      << "more than all that the rich may give";
  EXPECT_EQ(scheduler.num_paused(), 1);
}

TEST(FairTurns, ABlockThatIsMissingIsTakenFromTheRich) {
  SchedulerConfig config = four_seats();
  config.num_blocks = 7;
  config.num_slots = config.max_sequences = 8;
  Scheduler scheduler(config);
  scheduler.admit(sequence(1, "rich"));
  scheduler.admit(sequence(2, "rich"));
  scheduler.admit(sequence(3, "poor"));
  ASSERT_EQ(scheduler.num_running(), 3);
  // 3 blocks of prompts; grown to 3 blocks each they are 9 of 7.
  std::set<plan::SequenceId> ran;
  for (int i = 0; i < 12 && scheduler.num_paused() == 0; ++i) step(scheduler);
  ASSERT_EQ(scheduler.num_paused(), 1);
  EXPECT_EQ(step(scheduler).count(2), 0u) << "the youngest of all is the poor's, and stays";
}

TEST(FairTurns, PromptsOfWhoHadLeastGoFirst) {
  auto shares = std::make_shared<FairShare>();
  Scheduler scheduler(four_seats(), shares);
  shares->begin("rich");
  scheduler.admit(sequence(1, "rich", 32));
  EXPECT_EQ(step(scheduler), std::set<plan::SequenceId>{1});
  shares->begin("poor");  // level with the rich, and came last
  scheduler.admit(sequence(2, "poor", 12));
  EXPECT_EQ(step(scheduler), std::set<plan::SequenceId>{2}) << "8 of 12";
  EXPECT_EQ(step(scheduler), std::set<plan::SequenceId>{1}) << "both had 8 since: level, and older";
  EXPECT_EQ(step(scheduler), (std::set<plan::SequenceId>{1, 2})) << "4 are left, and 4";
}

}  // namespace
}  // namespace shoal::scheduler
