// The door that all protocols share: closing, deadlines, the books.
#include "runtime/coordinator/front_door.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

class SilentSink final : public StreamSink {
 public:
  void finished(const Finished&) override {}
  void failed(const Failure&) override {}
};

class FrontDoorTest : public testing::Test {
 protected:
  std::optional<Failure> submit(const std::string& id, Deadline deadline = Deadline::never()) {
    GenerationRequest request;
    request.request_id = id;
    request.prompt_ids = {1, 2, 3};
    request.deadline = deadline;
    request.owner = "alice";
    return front_.submit(std::move(request), std::make_shared<SilentSink>());
  }

  FakeRequestDoor fake_;
  FrontDoor front_{fake_};
};

TEST_F(FrontDoorTest, ClosesAndOpens) {
  std::vector<Phase> phases;
  front_.on_phase([&](Phase phase) { phases.push_back(phase); });
  front_.close();
  const auto refusal = submit("a");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, FailureCode::kUnavailable);
  EXPECT_EQ(refusal->reason, "DRAINING");
  EXPECT_GT(refusal->retry_after.count(), 0);
  EXPECT_EQ(front_.status().phase, Phase::kDraining);
  front_.open();
  EXPECT_FALSE(submit("a"));
  EXPECT_EQ(front_.status().phase, Phase::kServing);
  // What happens meanwhile is told as it is: only a door that would serve is shown as closed.
  front_.close();
  fake_.set_phase(Phase::kRecovering);
  EXPECT_EQ(phases,
            (std::vector<Phase>{
                Phase::kDraining, Phase::kServing, Phase::kDraining, Phase::kRecovering}));
}

TEST_F(FrontDoorTest, KeepsBooks) {
  ASSERT_FALSE(submit("a"));
  ASSERT_FALSE(submit("b"));
  play(fake_.submission(0), "xyz");
  fake_.submission(1).sink->accepted({.request_id = "b", .prompt_tokens = 3});
  const auto live = front_.ledger().list();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].id, "b");
  EXPECT_EQ(live[0].owner, "alice");
  EXPECT_EQ(front_.ledger().owner("b"), "alice");
  EXPECT_EQ(front_.ledger().owner("a"), std::nullopt);
  const RequestTotals totals = front_.metrics().totals();
  EXPECT_EQ(totals.finished.at("stop"), 1u);
  EXPECT_EQ(totals.generated_tokens.sum(), 3);
  EXPECT_EQ(totals.token_seconds.count(), 2u);
}

TEST_F(FrontDoorTest, TurnsAwayWhatComesTooLate) {
  const auto late = submit("a", Deadline::after(std::chrono::nanoseconds(0)));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->code, FailureCode::kDeadlineExceeded);
  EXPECT_FALSE(submit("b", Deadline::after(std::chrono::seconds(5))));
}

TEST_F(FrontDoorTest, ExpectsToWaitForAnothersQueueOnlyAsFarAsItsOwn) {
  ASSERT_FALSE(submit("a"));
  ASSERT_FALSE(submit("b"));
  // Two ends some time apart: so long is each place of the queue.
  Finished finished;
  finished.timings.total = std::chrono::seconds(1);
  fake_.submission(0).sink->finished(finished);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  fake_.submission(1).sink->finished(finished);
  fake_.set_waiting({{"bob", 1'000'000'000}});
  EXPECT_FALSE(submit("c", Deadline::after(std::chrono::seconds(5)))) << "alice has none waiting";
  fake_.set_waiting({{"alice", 1'000'000'000}});
  const auto late = submit("d", Deadline::after(std::chrono::seconds(5)));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->code, FailureCode::kResourceExhausted);
  EXPECT_EQ(late->reason, "DEADLINE_TOO_SHORT");
  EXPECT_GT(late->retry_after, std::chrono::seconds(5));
}

TEST(RequestMetrics, ExpectsAQueueToMoveAsItDid) {
  RequestMetrics metrics;
  EXPECT_EQ(metrics.expected_queue_time(9).count(), 0);
  Finished finished;
  finished.timings.total = std::chrono::microseconds(1);  // bounds the gap between two ends
  metrics.finished(finished);
  metrics.finished(finished);
  EXPECT_LE(metrics.expected_queue_time(9), std::chrono::microseconds(9));
}

}  // namespace
}  // namespace shoal::coordinator
