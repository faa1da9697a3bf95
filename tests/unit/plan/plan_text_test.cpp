#include "runtime/plan/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace shoal::plan {
namespace {

// The line of the header's comment, built by hand.
StepPlan documented_plan() {
  StepPlan plan{.epoch = 1, .step_id = 7, .token_capacity = 64};
  plan.admitted.push_back({.id = 3, .home = 0, .state_slot = 2, .prompt_len = 19});
  plan.sequences.push_back(
      {.id = 3, .start = 0, .tokens = {8193, 2608}, .new_blocks = {4, 5}, .sample = true});
  plan.released = {2};
  return plan;
}
constexpr const char* kDocumentedLine =
    "step 7 epoch 1 cap 64 | admit 3 home 0 slot 2 prompt 19 temp 0 seed 0 | run 3 start 0 "
    "tokens 8193,2608 blocks 4,5 sample | release 2";

StepPlan random_plan(std::mt19937_64& random) {
  const auto below = [&](uint64_t limit) { return random() % limit; };
  const auto list = [&](int32_t lowest) {
    std::vector<int32_t> out(below(5));
    for (int32_t& value : out) value = static_cast<int32_t>(below(300'000)) + lowest;
    return out;
  };
  const auto unit = [&] { return static_cast<float>(below(1'000'003)) / 1'000'003.0f; };
  StepPlan plan{.epoch = static_cast<Epoch>(random()), .step_id = random()};
  plan.num_repeats = static_cast<int>(below(3)) + 1;
  plan.token_capacity = static_cast<int>(below(4096));
  for (uint64_t i = below(4); i > 0; --i) {
    Admission admission{.id = random(), .home = static_cast<int>(below(8))};
    admission.state_slot = static_cast<int>(below(16));
    admission.prompt_len = static_cast<int64_t>(below(1u << 20));
    admission.sampling = {unit() * 2, static_cast<int32_t>(below(3)), unit(), unit(), random()};
    admission.sampling.presence_penalty = unit() - 0.5f;
    admission.sampling.frequency_penalty = below(2) == 1 ? unit() : 0;
    admission.sampling.repetition_penalty = 1 + static_cast<float>(below(2)) * unit();
    for (const int32_t id : list(0)) admission.sampling.logit_bias.push_back({id, unit() * -90});
    admission.sampling.min_tokens = static_cast<int64_t>(below(3));
    admission.sampling.end_ids = list(0);
    admission.sampling.logprobs = static_cast<int32_t>(below(4)) - 1;
    for (auto n = below(3) * below(20); n > 0; --n)
      admission.sampling.constraint.gbnf += static_cast<char>(below(256));
    admission.sampling.constraint.starts_after = static_cast<int32_t>(below(3)) - 1;
    admission.history = list(0);
    admission.checkpoint = static_cast<CheckpointId>(below(4)) - 1;
    admission.shared_blocks = list(0);
    plan.admitted.push_back(admission);
  }
  for (uint64_t i = below(5); i > 0; --i) {
    ScheduledSequence run{.id = random(), .start = static_cast<int64_t>(below(1u << 30))};
    run.tokens = list(kPreviousSample);
    run.new_blocks = list(0);
    run.sample = below(2) == 1;
    run.score = static_cast<Score>(below(4));
    run.score_start = static_cast<int64_t>(below(3));
    run.score_next = static_cast<int32_t>(below(4)) - 1;
    run.save = static_cast<CheckpointId>(below(4)) - 1;
    plan.sequences.push_back(run);
  }
  for (uint64_t i = below(4); i > 0; --i) plan.released.push_back(random());
  return plan;
}

TEST(PlanText, WritesTheDocumentedLine) { EXPECT_EQ(to_text(documented_plan()), kDocumentedLine); }

TEST(PlanText, ReadsTheDocumentedLine) {
  std::string error;
  EXPECT_EQ(parse_plan(kDocumentedLine, error), documented_plan());
  EXPECT_EQ(error, "");
}

TEST(PlanText, RandomPlansRoundTrip) {
  std::mt19937_64 random(20240917);
  for (int round = 0; round < 2000; ++round) {
    const StepPlan plan = random_plan(random);
    std::string error;
    const auto parsed = parse_plan(to_text(plan), error);
    ASSERT_TRUE(parsed.has_value()) << error << " in " << to_text(plan);
    ASSERT_EQ(*parsed, plan) << to_text(plan);
  }
}

TEST(PlanText, ExtremeNumbersRoundTrip) {
  StepPlan plan{.epoch = std::numeric_limits<Epoch>::max(),
                .step_id = std::numeric_limits<StepId>::max()};
  plan.admitted.push_back({.id = std::numeric_limits<SequenceId>::max()});
  plan.admitted[0].sampling.temperature = std::numeric_limits<float>::denorm_min();
  plan.admitted[0].sampling.top_p = std::nextafter(1.0f, 0.0f);
  plan.sequences.push_back({.tokens = {kPreviousSample, std::numeric_limits<int32_t>::max()}});
  std::string error;
  EXPECT_EQ(parse_plan(to_text(plan), error), plan) << error;
}

TEST(PlanText, PreviousSampleIsAWord) {
  StepPlan plan;
  plan.sequences.push_back({.id = 1, .start = 20, .tokens = {kPreviousSample}, .sample = true});
  EXPECT_EQ(to_text(plan), "step 0 epoch 0 cap 0 | run 1 start 20 tokens prev sample");
}

TEST(PlanText, CutLinesNeverCrashAndNeverLie) {
  // Every prefix is a plan or is refused with a reason; a plan it yields prints to itself.
  const std::string line = kDocumentedLine;
  for (size_t length = 0; length < line.size(); ++length) {
    std::string error;
    const auto plan = parse_plan(std::string_view(line).substr(0, length), error);
    EXPECT_EQ(plan.has_value(), error.empty()) << length;
    if (plan) {
      EXPECT_EQ(parse_plan(to_text(*plan), error), plan);
    }
  }
}

struct BadLine {
  const char* line;
  const char* named;
};
class PlanTextRefuses : public testing::TestWithParam<BadLine> {};

TEST_P(PlanTextRefuses, NamesTheWord) {
  std::string error;
  EXPECT_FALSE(parse_plan(GetParam().line, error).has_value());
  EXPECT_THAT(error, testing::HasSubstr(GetParam().named));
}

INSTANTIATE_TEST_SUITE_P(Lines,
                         PlanTextRefuses,
                         testing::Values(BadLine{"", "expected step at the end"},
                                         BadLine{"plan 7", "\"plan\""},
                                         BadLine{"step seven", "expected a number at \"seven\""},
                                         BadLine{"step 7x", "\"7x\""},
                                         BadLine{"step -1", "\"-1\""},
                                         BadLine{"step 1 epoch 4294967296", "\"4294967296\""},
                                         BadLine{"step 1 epoch 2 epoch 2",
                                                 "said twice at \"epoch\""},
                                         BadLine{"step 1 colour red", "\"colour\""},
                                         BadLine{"step 1 |", "expected admit, run or release"},
                                         BadLine{"step 1 | jump 3", "\"jump\""},
                                         BadLine{"step 1 | admit 1 temp inf", "\"inf\""},
                                         BadLine{"step 1 | admit 1 temp nan", "\"nan\""},
                                         BadLine{"step 1 | admit 1 bias 7", "ID:BIAS"},
                                         BadLine{"step 1 | admit 1 bias 7:1,8:inf", "ID:BIAS"},
                                         BadLine{"step 1 | run 1 tokens 1,,2", "\"1,,2\""},
                                         BadLine{"step 1 | run 1 tokens 1,2,", "\"1,2,\""},
                                         BadLine{"step 1 | run 1 tokens", "at the end"},
                                         BadLine{"step 1 | run 1 sample sample", "said twice"},
                                         BadLine{"step 1 | run 1 score loud", "\"loud\""},
                                         BadLine{"step 1 | release 1 2", "\"2\""},
                                         BadLine{"step 1 | release \x1b[31m", "\\x1b"}));

}  // namespace
}  // namespace shoal::plan
