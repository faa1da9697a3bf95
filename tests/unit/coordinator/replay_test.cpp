// Ranks die; streams go on. Tokens are FakeRanks' formula of the position, so the text without the
// fault is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/coordinator/coordinator_fixture.h"

namespace shoal::coordinator {
namespace {

class ReplayTest : public CoordinatorFixture {
 protected:
  // A stream that stops before its end, once so many tokens came.
  std::shared_ptr<CollectingSink> submit_until(int64_t tokens, GenerationRequest asked) {
    ranks_.hold_at(std::ssize(asked.prompt_ids) + tokens - 1);
    const auto sink = submit(std::move(asked));
    EXPECT_TRUE(sink->wait_for_tokens(static_cast<size_t>(tokens)));
    return sink;
  }

  void lose(int rank, int64_t hold_at = INT64_MAX) {
    ranks_.kill(rank);
    ranks_.start_job();
    ranks_.hold_at(hold_at);
    ranks_.hold(false);
  }

  // What rank 0 was told when the stream of this id entered the epoch, and its first chunk.
  struct Entry {
    plan::Admission admission;
    plan::ScheduledSequence first;
  };
  std::optional<Entry> entry(plan::Epoch epoch, plan::SequenceId id = 1) const {
    for (const plan::StepPlan& plan : ranks_.plans()) {
      if (plan.epoch != epoch) continue;
      for (const plan::Admission& admission : plan.admitted)
        for (const plan::ScheduledSequence& sequence : plan.sequences)
          if (admission.id == id && sequence.id == id) return Entry{admission, sequence};
    }
    return std::nullopt;
  }
};

TEST_F(ReplayTest, AStreamGoesOnBehindWhatWasSent) {
  begin();
  const auto sink = submit_until(2, request(40));
  lose(1);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end) << sink->failure->message;
  EXPECT_EQ(sink->tokens, expected(3, 40));
  EXPECT_EQ(sink->text, demo_model()->tokenizer->decode(sink->tokens));
  EXPECT_EQ(coordinator_->status().epoch, 2u);
  const auto replayed = entry(2);
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->admission.prompt_len, 3);
  std::vector<int32_t> head = {1, 2, 3};
  const auto sent = std::ssize(replayed->first.tokens) - 3;
  EXPECT_EQ(sent, 2);
  for (int64_t i = 0; i < sent; ++i) head.push_back(fake_token(3 + i));
  EXPECT_EQ(replayed->first.tokens, head);
}

TEST_F(ReplayTest, ManyLossesOneAfterTheOther) {
  begin();
  const auto sink = submit_until(3, request(100));
  for (int loss = 0; loss < 4; ++loss) {
    lose(loss % 2, 3 + 20 * (loss + 1));
    ASSERT_TRUE(sink->wait_for_tokens(static_cast<size_t>(20 * (loss + 1))));
  }
  ranks_.hold_at(INT64_MAX);
  ranks_.hold(false);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 100));
  EXPECT_EQ(coordinator_->status().epoch, 5u);
}

TEST_F(ReplayTest, ASecondLossWhileRanksLoad) {
  begin();
  const auto sink = submit_until(3, request(20));
  ranks_.kill(0);
  ranks_.start_job();  // and it loads, and loads
  lose(1);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 20));
}

TEST_F(ReplayTest, AnswersOfTheEpochThatIsOverAreNotTaken) {
  begin();
  const auto sink = submit_until(3, request(20));
  ranks_.kill(0);
  ranks_.start_job();
  plan::StepResult late{.epoch = 1, .step_id = 4, .rank = 0};
  for (int64_t position = 4; position < 12; ++position)
    late.tokens.push_back({.id = 1, .position = position, .token = 7, .sampled = true});
  coordinator_->on_message(101, late);
  late.epoch = 2;  // nor what a stranger says of this one
  coordinator_->on_message(101, late);
  ranks_.hold(false);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 20));
}

TEST_F(ReplayTest, TheSameAnswerTwiceIsOneToken) {
  begin();
  ranks_.repeat_answers = true;
  const auto sink = submit(request(12));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 12));
  EXPECT_EQ(coordinator_->status().epoch, 1u);
}

TEST_F(ReplayTest, AMissingAnswerIsALostRankNotAMissingToken) {
  begin();
  const auto sink = submit_until(2, request(12));
  plan::StepResult gap{.epoch = 1, .step_id = 9, .rank = 0};
  gap.tokens.push_back({.id = 1, .position = 200, .token = 7, .sampled = true});
  coordinator_->on_message(101, gap);
  ranks_.start_job();
  ranks_.hold(false);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 12));
  EXPECT_EQ(coordinator_->status().epoch, 2u);
}

TEST_F(ReplayTest, AStopStringAcrossTheLossIsFound) {
  begin();
  const std::string whole = demo_model()->tokenizer->decode(expected(3, 30));
  const std::string stop = whole.substr(whole.size() / 2, 9);
  GenerationRequest stopping = request(50);
  stopping.stop.strings = {stop};
  const auto sink = submit_until(2, std::move(stopping));
  lose(0);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kStopSequence);
  EXPECT_EQ(sink->text, whole.substr(0, whole.find(stop)));
}

TEST_F(ReplayTest, SamplingValuesGoAlongUnchanged) {
  begin();
  GenerationRequest sampled = request(60);
  sampled.sampling.temperature = 0.8f;
  sampled.sampling.seed = 99;
  sampled.sampling.frequency_penalty = 0.5f;
  sampled.stop.min_tokens = 30;
  const auto sink = submit_until(5, std::move(sampled));
  const auto first = entry(1);
  lose(1);
  ASSERT_TRUE(sink->wait());
  const auto second = entry(2);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->admission.sampling, first->admission.sampling);
  EXPECT_EQ(second->admission.prompt_len, 3) << "the rest counts as generated";
}

TEST_F(ReplayTest, EachChoiceGoesOn) {
  begin();
  GenerationRequest two = request(50);
  two.num_choices = 2;
  const auto sink = std::make_shared<CollectingSink>();
  std::map<int, std::vector<int32_t>> by_index;
  sink->on_delta = [&](const Delta& delta) {
    auto& tokens = by_index[delta.index];
    tokens.insert(tokens.end(), delta.token_ids.begin(), delta.token_ids.end());
  };
  ranks_.hold_at(5);
  ASSERT_FALSE(coordinator_->submit(std::move(two), sink));
  ASSERT_TRUE(sink->wait_for_tokens(3));
  lose(0);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  ASSERT_EQ(by_index.size(), 2u);
  for (const auto& [index, tokens] : by_index) EXPECT_EQ(tokens, expected(3, 50)) << index;
}

TEST_F(ReplayTest, PromptScoresComeOnce) {
  begin();
  GenerationRequest scored = request(30, {1, 2, 3, 4, 5});
  scored.score = plan::Score::kChunk;
  const auto sink = submit_until(2, std::move(scored));
  lose(0);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(5, 30));
  ASSERT_EQ(sink->scores.size(), 4u);
  EXPECT_EQ(entry(2)->first.score, plan::Score::kNone);
}

TEST_F(ReplayTest, ACancelledStreamDoesNotComeBack) {
  begin();
  GenerationRequest mine = request(100);
  mine.request_id = "mine";
  const auto sink = submit_until(3, std::move(mine));
  ranks_.kill(0);
  ASSERT_TRUE(reaches(Phase::kRecovering));
  EXPECT_EQ(coordinator_->status().running, 1);
  EXPECT_TRUE(coordinator_->cancel("mine"));
  ASSERT_TRUE(sink->wait());
  EXPECT_EQ(sink->end->reason, FinishReason::kCancelled);
  ranks_.start_job();
  ranks_.hold(false);
  ASSERT_TRUE(reaches(Phase::kServing));
  const auto after = submit(request(4));
  ASSERT_TRUE(after->wait());
  EXPECT_FALSE(entry(2, 1));
}

TEST_F(ReplayTest, ALossWhileDrainingStillEndsTheStream) {
  begin();
  ranks_.hold(true);
  const auto sink = submit(request(5));
  std::thread drain([this] { coordinator_->drain(Deadline::after(std::chrono::seconds(10))); });
  ASSERT_TRUE(reaches(Phase::kDraining));
  lose(1);
  drain.join();
  ASSERT_TRUE(sink->wait(std::chrono::milliseconds(0)));
  EXPECT_EQ(sink->tokens, expected(3, 5));
}

TEST_F(ReplayTest, ARequestThatKillsItsRanksEndsAndOthersDoNot) {
  begin();
  const std::vector<int32_t> poison = {5, 5, 5};
  ranks_.dies_of = poison;
  const auto good = submit_until(2, request(100));
  GenerationRequest bad = request(10, poison);
  bad.request_id = "bad";
  const auto sink = submit(std::move(bad));
  // Together, then twice alone.
  ranks_.hold(false);
  for (int loss = 0; loss < 3; ++loss) ranks_.start_job();
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->failure);
  EXPECT_EQ(sink->failure->code, FailureCode::kInternal);
  EXPECT_EQ(sink->failure->reason, "REQUEST_KILLS_RANKS");
  EXPECT_EQ(sink->failure->metadata.at("request_id"), "bad");
  ASSERT_TRUE(good->wait());
  ASSERT_TRUE(good->end);
  EXPECT_EQ(good->tokens, expected(3, 100));
  const auto again = coordinator_->submit(request(10, poison), std::make_shared<CollectingSink>());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reason, "REQUEST_KILLS_RANKS");
  EXPECT_EQ(coordinator_->status().epoch, 4u);
}

TEST_F(ReplayTest, ASpentBudgetFailsTheStream) {
  CoordinatorConfig config = demo_config();
  config.restart_budget = 1;
  begin(std::move(config));
  const auto sink = submit_until(2, request(200));
  lose(0, 20);
  ASSERT_TRUE(sink->wait_for_tokens(12));
  ranks_.kill(0);
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->failure);
  EXPECT_EQ(sink->failure->code, FailureCode::kUnavailable);
  EXPECT_EQ(sink->failure->reason, "CLUSTER_FAILED");
}

}  // namespace
}  // namespace shoal::coordinator
