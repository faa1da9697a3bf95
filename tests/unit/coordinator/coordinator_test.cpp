#include "runtime/coordinator/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/unit/coordinator/coordinator_fixture.h"

namespace shoal::coordinator {
namespace {

class CoordinatorTest : public CoordinatorFixture {};

TEST_F(CoordinatorTest, StreamsTokensTextAndTheReasonOfTheEnd) {
  begin();
  const auto sink = submit(request(5));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 5));
  EXPECT_EQ(sink->text, demo_model()->tokenizer->decode(sink->tokens));
  EXPECT_EQ(sink->end->reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink->end->usage.prompt_tokens, 3);
  EXPECT_EQ(sink->end->usage.completion_tokens, 5);
}

TEST_F(CoordinatorTest, AStopTokenEndsTheTextAndIsTheLastId) {
  const int32_t eos = demo_model()->vocab.eos_id;
  ranks_.token = [eos](int64_t position) { return position == 6 ? eos : fake_token(position); };
  begin();
  const auto sink = submit(request(50));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kStopToken);
  std::vector<int32_t> want = expected(3, 3);
  EXPECT_EQ(sink->text, demo_model()->tokenizer->decode(want));
  want.push_back(eos);
  EXPECT_EQ(sink->tokens, want);
}

// The ranks hear which ids may not end the text, and no string ends it before its time.
TEST_F(CoordinatorTest, MinTokensHoldsBackEndsAndStrings) {
  begin();
  GenerationRequest patient = request(50);
  const std::string whole = demo_model()->tokenizer->decode(expected(3, 12));
  const std::string early = demo_model()->tokenizer->decode(expected(3, 3)).substr(1);
  ASSERT_EQ(whole.find(early, early.size() + 1), std::string::npos) << "found a second time";
  patient.stop.strings = {early};
  patient.stop.token_ids = {7, 5};
  patient.stop.min_tokens = 4;
  patient.max_tokens = 12;
  const auto sink = submit(std::move(patient));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink->text, whole);
  const plan::SamplingParams told = ranks_.plans().front().admitted.front().sampling;
  EXPECT_EQ(told.min_tokens, 4);
  std::vector<int32_t> ends = demo_model()->tokenizer->end_ids();
  ends.insert(ends.end(), {5, 7});
  std::sort(ends.begin(), ends.end());
  EXPECT_EQ(told.end_ids, ends);
}

// One step scores the prompt's last chunk and samples the token that ends the stream.
TEST_F(CoordinatorTest, ScoresComeBeforeTheSampleThatEndsTheStream) {
  begin();
  GenerationRequest scored = request(1);
  scored.score = plan::Score::kChunk;
  const auto sink = submit(std::move(scored));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->tokens, expected(3, 1));
  ASSERT_EQ(sink->scores.size(), 2u);
  EXPECT_EQ(sink->scores[0].position, 1);
  EXPECT_EQ(sink->scores[1].token, 3);
}

TEST_F(CoordinatorTest, OneTokenHasNothingToScore) {
  begin();
  GenerationRequest lonely = request(0, {1});
  lonely.score = plan::Score::kChunk;
  const auto failure = coordinator_->submit(lonely, std::make_shared<CollectingSink>());
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, FailureCode::kInvalidArgument);
}

TEST_F(CoordinatorTest, AStopStringAcrossTokensIsCutExactly) {
  begin();
  const std::string whole = demo_model()->tokenizer->decode(expected(3, 8));
  ASSERT_GT(whole.size(), 8u);
  GenerationRequest stopping = request(50);
  stopping.stop.strings = {whole.substr(4, 3)};
  const auto sink = submit(std::move(stopping));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kStopSequence);
  EXPECT_EQ(sink->text, whole.substr(0, whole.find(whole.substr(4, 3))));
}

TEST_F(CoordinatorTest, TheJournalHasATokenBeforeTheClientDoes) {
  const std::string path = testing::TempDir() + "journal." + std::to_string(::getpid());
  CoordinatorConfig config = demo_config();
  config.journal_path = path;
  begin(std::move(config));
  const auto sink = std::make_shared<CollectingSink>();
  int missing = 0;
  int64_t index = 0;
  sink->on_delta = [&](const Delta& delta) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    for (const int32_t token : delta.token_ids) {
      const std::string entry = ":" + std::to_string(index++) + "=" + std::to_string(token);
      if (text.str().find(entry) == std::string::npos) ++missing;
    }
  };
  EXPECT_FALSE(coordinator_->submit(request(6), sink));
  ASSERT_TRUE(sink->wait());
  EXPECT_EQ(index, 6);
  EXPECT_EQ(missing, 0);
  coordinator_.reset();
  ::unlink(path.c_str());
}

TEST_F(CoordinatorTest, ACancelledRequestIsInNoLaterPlan) {
  begin();
  GenerationRequest long_one = request(200);
  long_one.request_id = "mine";
  const auto sink = submit(std::move(long_one));
  ASSERT_TRUE(sink->wait_for_tokens(3));
  EXPECT_TRUE(coordinator_->cancel("mine"));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kCancelled);
  // Two plans may have been under way to the ranks when the stream ended.
  const plan::StepId last = ranks_.plans().back().step_id + 2;
  const auto other = submit(request(5));
  ASSERT_TRUE(other->wait());
  for (const plan::StepPlan& plan : ranks_.plans()) {
    if (plan.step_id <= last) continue;
    for (const plan::ScheduledSequence& sequence : plan.sequences) EXPECT_NE(sequence.id, 1u);
  }
  EXPECT_EQ(coordinator_->status().blocks_used, 0);
  EXPECT_FALSE(coordinator_->cancel("mine"));
}

TEST_F(CoordinatorTest, ADeadlineThatPassesEndsTheStream) {
  begin();
  ranks_.hold(true);
  GenerationRequest hurried = request(10);
  hurried.deadline = Deadline::after(std::chrono::milliseconds(50));
  const auto sink = submit(std::move(hurried));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->failure);
  EXPECT_EQ(sink->failure->code, FailureCode::kDeadlineExceeded);
  ranks_.hold(false);
}

TEST_F(CoordinatorTest, RefusesWhatCannotRun) {
  begin();
  const auto refusal = [&](GenerationRequest bad) {
    return coordinator_->submit(std::move(bad), std::make_shared<CollectingSink>());
  };
  const auto empty = refusal(request(1, {}));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->code, FailureCode::kInvalidArgument);
  const auto too_long = refusal(request(1, std::vector<int32_t>(kContext, 1)));
  ASSERT_TRUE(too_long);
  EXPECT_EQ(too_long->reason, "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_EQ(too_long->message, "prompt has 256 tokens, limit 255 (context 256)");
}

TEST_F(CoordinatorTest, APromptAtTheContextsEdge) {
  begin();
  const auto submit_prompt = [&](int64_t tokens, std::shared_ptr<CollectingSink> sink) {
    return coordinator_->submit(request(5, std::vector<int32_t>(static_cast<size_t>(tokens), 1)),
                                std::move(sink));
  };
  const auto fits = std::make_shared<CollectingSink>();
  ASSERT_FALSE(submit_prompt(kContext - 1, fits));
  ASSERT_TRUE(fits->wait());
  ASSERT_TRUE(fits->end);
  EXPECT_EQ(fits->tokens.size(), 1u) << "one token is left";
  EXPECT_EQ(fits->end->reason, FinishReason::kContextFull);
  for (const int64_t tokens : {kContext, kContext + 1}) {
    const auto refused = submit_prompt(tokens, std::make_shared<CollectingSink>());
    ASSERT_TRUE(refused) << tokens;
    EXPECT_EQ(refused->code, FailureCode::kInvalidArgument);
    EXPECT_EQ(refused->reason, "CONTEXT_LENGTH_EXCEEDED");
    EXPECT_EQ(refused->metadata.at("prompt_tokens"), std::to_string(tokens));
  }
}

TEST_F(CoordinatorTest, AFullQueueAnswersAtOnceAndSaysWhenToComeBack) {
  begin();  // 2 run, 2 wait
  ranks_.hold(true);
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(submit(request(3)));
  const auto refused = coordinator_->submit(request(3), std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, FailureCode::kResourceExhausted);
  EXPECT_EQ(refused->reason, "QUEUE_FULL");
  EXPECT_GT(refused->retry_after.count(), 0);
  ranks_.hold(false);
  for (const auto& sink : sinks) ASSERT_TRUE(sink->wait());
  EXPECT_FALSE(coordinator_->submit(request(3), std::make_shared<CollectingSink>()));
}

TEST_F(CoordinatorTest, ChoicesAreNumberedAndHaveSeedsOfTheirOwn) {
  begin();
  GenerationRequest three = request(4);
  three.num_choices = 3;
  three.sampling.seed = 7;
  const auto sink = std::make_shared<CollectingSink>();
  std::map<int, std::vector<int32_t>> by_index;
  sink->on_delta = [&](const Delta& delta) {
    auto& tokens = by_index[delta.index];
    tokens.insert(tokens.end(), delta.token_ids.begin(), delta.token_ids.end());
  };
  ASSERT_FALSE(coordinator_->submit(std::move(three), sink));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  ASSERT_EQ(by_index.size(), 3u);
  for (const auto& [index, tokens] : by_index) EXPECT_EQ(tokens, expected(3, 4)) << index;
  EXPECT_EQ(sink->end->usage.prompt_tokens, 3);
  EXPECT_EQ(sink->end->usage.completion_tokens, 12);
  ASSERT_EQ(sink->end->choices.size(), 3u);
  std::set<uint64_t> seeds, planned;
  for (const ChoiceEnd& choice : sink->end->choices) seeds.insert(choice.seed);
  for (const plan::StepPlan& plan : ranks_.plans())
    for (const plan::Admission& admission : plan.admitted) planned.insert(admission.sampling.seed);
  EXPECT_EQ(seeds.size(), 3u);
  EXPECT_EQ(seeds.count(7), 1u) << "the first has the request's own";
  EXPECT_EQ(planned, seeds);
}

TEST_F(CoordinatorTest, OwnersQueueApartAndTakeTurns) {
  begin();  // 2 run, 2 of each owner wait
  ranks_.hold(true);
  const auto of = [&](const std::string& owner) {
    GenerationRequest out = request(3, owner == "heavy" ? std::vector{1, 2, 3} : std::vector{4, 5});
    out.owner = owner;
    return out;
  };
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(submit(of("heavy")));
  const auto refused = coordinator_->submit(of("heavy"), std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "QUEUE_FULL");
  const auto wait_until = [&](const auto& holds) {
    for (int i = 0; i < 1000 && !holds(coordinator_->status()); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  wait_until([](const ClusterStatus& status) { return status.running == 2; });
  for (int i = 0; i < 2; ++i) sinks.push_back(submit(of("light")));
  wait_until([](const ClusterStatus& status) {
    return status.waiting_by_owner.count("light") != 0 && status.paused > 0;
  });
  // Of the two that run one each; the heavy one that gave way counts as running too.
  const ClusterStatus status = coordinator_->status();
  EXPECT_EQ(status.paused, 1);
  EXPECT_EQ(status.waiting_by_owner, (std::map<std::string, int>{{"heavy", 2}, {"light", 1}}));
  ranks_.hold(false);
  for (size_t i = 0; i < sinks.size(); ++i) {
    ASSERT_TRUE(sinks[i]->wait());
    EXPECT_EQ(sinks[i]->tokens, expected(i < 4 ? 3 : 2, 3)) << i;
  }
}

TEST_F(CoordinatorTest, AClearedCacheSaysWhatItHeldAndHoldsNothing) {
  begin(demo_config(std::nullopt));
  const std::vector<int32_t> prompt(200, 5);
  const auto cached = [&] {
    const auto sink = submit(request(1, prompt));
    EXPECT_TRUE(sink->wait());
    return sink->end->usage.cached_tokens;
  };
  EXPECT_EQ(cached(), 0);
  const int64_t again = cached();
  EXPECT_GT(again, 0);
  const ClearedCache cleared = coordinator_->clear_cache();
  EXPECT_GE(cleared.texts, 1);
  EXPECT_GE(cleared.blocks, again / coordinator_->config().plan.block_size);
  EXPECT_GE(cleared.bytes,
            cleared.blocks * sharding::cache_bytes(coordinator_->config().plan).block);
  EXPECT_EQ(coordinator_->status().cache.texts, 0);
  EXPECT_EQ(coordinator_->status().cache.evictions, 0u) << "nobody wanted for room";
  EXPECT_EQ(cached(), 0);
}

TEST_F(CoordinatorTest, ChoicesCountInTheQueueAndEndTogetherWhenCancelled) {
  begin();  // 2 run, 2 wait
  GenerationRequest five = request(200);
  five.num_choices = 5;
  const auto refused = coordinator_->submit(five, std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "QUEUE_FULL");
  GenerationRequest four = request(200);
  four.num_choices = 4;
  four.request_id = "mine";
  const auto sink = submit(std::move(four));
  ASSERT_TRUE(sink->wait_for_tokens(3));
  EXPECT_TRUE(coordinator_->cancel("mine"));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kCancelled);
  EXPECT_EQ(coordinator_->status().blocks_used, 0);
  EXPECT_FALSE(coordinator_->cancel("mine"));
  five.num_choices = 65;
  const auto too_many = coordinator_->submit(five, std::make_shared<CollectingSink>());
  ASSERT_TRUE(too_many);
  EXPECT_EQ(too_many->code, FailureCode::kInvalidArgument);
}

TEST_F(CoordinatorTest, TellsWhatCameFromTheCacheAndWhyNotMore) {
  begin(demo_config(std::nullopt));
  const auto ask = [&](int changed_at, std::string salt) {
    std::vector<int32_t> prompt(120, 5);
    if (changed_at >= 0) prompt[static_cast<size_t>(changed_at)] = 6;
    GenerationRequest asked = request(2, prompt);
    asked.cache_salt = std::move(salt);
    const auto sink = submit(std::move(asked));
    EXPECT_TRUE(sink->wait());
    return sink->end.value();
  };
  const Finished first = ask(-1, "");
  EXPECT_EQ(first.usage.cached_tokens, 0);
  EXPECT_EQ(first.cache.end, "unknown");
  const Finished again = ask(-1, "");
  // The last whole block of 32 that leaves 8 tokens of 120 ends at 96.
  EXPECT_EQ(again.usage.cached_tokens, 96);
  EXPECT_EQ(again.cache.end, "new_text");
  const Finished changed = ask(50, "");
  EXPECT_EQ(changed.usage.cached_tokens, 0);
  EXPECT_EQ(changed.cache.shared_tokens, 50);
  EXPECT_EQ(changed.cache.end, "diverged");
  EXPECT_EQ(ask(-1, "mine").cache.end, "unknown");
  const CacheStatus cache = coordinator_->status().cache;
  EXPECT_TRUE(cache.on);
  EXPECT_EQ(cache.hits, 1u);
  EXPECT_EQ(cache.hit_tokens, 96u);
  EXPECT_THAT(cache.ends,
              testing::UnorderedElementsAre(testing::Pair("unknown", 2u),
                                            testing::Pair("new_text", 1u),
                                            testing::Pair("diverged", 1u)));
}

TEST_F(CoordinatorTest, TheContextLimitsTheOutput) {
  begin();
  const auto sink = submit(request(1000, std::vector<int32_t>(kContext - 4, 1)));
  ASSERT_TRUE(sink->wait());
  ASSERT_TRUE(sink->end);
  EXPECT_EQ(sink->end->reason, FinishReason::kContextFull);
  EXPECT_EQ(sink->tokens.size(), 4u);
}

TEST_F(CoordinatorTest, AFullQueueRefusesAtOnceAndSaysWhenToComeBack) {
  begin();
  ranks_.hold(true);
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(submit(request(3)));
  const auto refused = coordinator_->submit(request(3), std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, FailureCode::kResourceExhausted);
  EXPECT_GT(refused->retry_after.count(), 0);
  ranks_.hold(false);
  for (const auto& sink : sinks) {
    ASSERT_TRUE(sink->wait());
    EXPECT_EQ(sink->tokens, expected(3, 3));
  }
}

TEST_F(CoordinatorTest, TheSameRequestIdTwiceIsRefused) {
  begin();
  ranks_.hold(true);
  GenerationRequest first = request(3);
  first.request_id = "same";
  GenerationRequest second = first;
  const auto sink = submit(std::move(first));
  const auto refused = coordinator_->submit(std::move(second), std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, FailureCode::kAlreadyExists);
  ranks_.hold(false);
  EXPECT_TRUE(sink->wait());
}

TEST_F(CoordinatorTest, ASpentRestartBudgetEndsWithExit7) {
  CoordinatorConfig config = demo_config();
  config.restart_budget = 1;
  begin(std::move(config));
  ranks_.kill(0);
  ranks_.start_job();
  ASSERT_TRUE(reaches(Phase::kServing));
  ranks_.kill(0);
  ASSERT_TRUE(reaches(Phase::kFailed));
  // The other rank leaves too, as it was told; that must not change the verdict.
  ranks_.kill(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(coordinator_->status().exit_code, 7);
  EXPECT_NE(coordinator_->status().message.find("rank 0"), std::string::npos);
}

TEST_F(CoordinatorTest, ADeathBeforeReadyIsExit4WithTheRankNamed) {
  coordinator_ = std::make_unique<Coordinator>(demo_config(), demo_model());
  ranks_.attach(*coordinator_);
  ranks_.hold(true);
  coordinator_->start(ranks_);
  ranks_.start_job();
  ranks_.kill(1);
  ASSERT_TRUE(reaches(Phase::kFailed));
  EXPECT_EQ(coordinator_->status().exit_code, 4);
  EXPECT_NE(coordinator_->status().message.find("rank 1"), std::string::npos);
}

TEST_F(CoordinatorTest, ARankThatNamesABadFileDecidesTheExitCode) {
  coordinator_ = std::make_unique<Coordinator>(demo_config(), demo_model());
  ranks_.attach(*coordinator_);
  ranks_.hold(true);
  coordinator_->start(ranks_);
  ranks_.start_job();
  coordinator_->on_message(102, control::RankFailure{1, 1, 3, "error[GGUF-69]: cut short"});
  ASSERT_TRUE(reaches(Phase::kFailed));
  EXPECT_EQ(coordinator_->status().exit_code, 3);
  EXPECT_EQ(coordinator_->status().message, "error[GGUF-69]: cut short");
}

TEST_F(CoordinatorTest, AWrongTokenOrAnOldEpochIsToldToLeave) {
  begin();
  coordinator_->on_message(900, control::Hello{"wrong", 1, 0, 2, "h", 1, "test"});
  coordinator_->on_message(901, control::Hello{"secret", 0, 0, 2, "h", 1, "test"});
  for (int i = 0; i < 200 && ranks_.leave_reasons().size() < 2; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto reasons = ranks_.leave_reasons();
  ASSERT_EQ(reasons.size(), 2u);
  EXPECT_EQ(reasons[0], "the job token is wrong");
  EXPECT_EQ(reasons[1], "epoch 0 is over; this is epoch 1");
  EXPECT_EQ(coordinator_->status().phase, Phase::kServing);
}

TEST_F(CoordinatorTest, DrainLetsRunningStreamsFinishAndRefusesOthers) {
  begin();
  ranks_.hold(true);
  const auto sink = submit(request(5));
  std::thread drain([this] { coordinator_->drain(Deadline::after(std::chrono::seconds(10))); });
  ASSERT_TRUE(reaches(Phase::kDraining));
  const auto refused = coordinator_->submit(request(1), std::make_shared<CollectingSink>());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, FailureCode::kUnavailable);
  ranks_.hold(false);
  drain.join();
  ASSERT_TRUE(sink->wait(std::chrono::milliseconds(0)));
  EXPECT_EQ(sink->tokens, expected(3, 5));
  EXPECT_EQ(coordinator_->status().phase, Phase::kStopped);
}

}  // namespace
}  // namespace shoal::coordinator
