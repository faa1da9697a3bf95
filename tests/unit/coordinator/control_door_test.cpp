// The coordinator's control door and the rank's plan source, against each other.
#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "runtime/control/grpc/grpc_plan_source.h"
#include "runtime/coordinator/access/job_certificates.h"
#include "runtime/coordinator/grpc_control_door.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/recorded_events.h"

namespace shoal::coordinator {
namespace {

using control::GrpcPlanSource;
using control::ToCoordinator;
using control::ToWorker;

class ControlDoorTest : public testing::Test {
 protected:
  static Deadline soon() { return Deadline::after(kPatience); }

  std::unique_ptr<GrpcPlanSource> attach() {
    return std::make_unique<GrpcPlanSource>(door_.address(), job_.worker, soon());
  }
  static control::Hello hello(int rank) {
    return {.job_token = "token", .epoch = 5, .rank = rank, .world_size = 2, .host = "h", .pid = 7};
  }
  // The next order that is not a heartbeat.
  static std::optional<ToWorker> next_order(GrpcPlanSource& source) {
    while (auto order = source.next(soon())) {
      if (!std::holds_alternative<control::Heartbeat>(*order)) return order;
    }
    return std::nullopt;
  }

  SocketFolder folder_;
  RecordedEvents events_;
  const access::JobCertificates job_ = access::make_job_certificates({"localhost"});
  GrpcControlDoor door_{folder_.address(), job_.coordinator, events_};
};

TEST_F(ControlDoorTest, HelloIsAnsweredAndPlansComeInOrder) {
  auto source = attach();
  source->report(hello(1));
  const auto heard = events_.nth<control::Hello>(0);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->second, hello(1));

  control::Welcome welcome;
  welcome.epoch = 5;
  welcome.model_path = "model.gguf";
  welcome.plan.first_layer = {0, 4};
  welcome.plan.experts = {sharding::ExpertPlacement::contiguous(16, 1)};
  welcome.plan.ranks.resize(1);
  door_.send(heard->first, welcome);
  for (plan::StepId step = 1; step <= 50; ++step) {
    door_.send(heard->first, plan::StepPlan{.epoch = 5, .step_id = step});
  }
  EXPECT_EQ(next_order(*source), ToWorker(welcome));
  for (plan::StepId step = 1; step <= 50; ++step) {
    EXPECT_EQ(next_order(*source), ToWorker(plan::StepPlan{.epoch = 5, .step_id = step}));
  }
}

TEST_F(ControlDoorTest, HeartbeatsCarryTheEpochAndTheLastStep) {
  auto source = attach();
  source->report(hello(0));
  const auto first = events_.nth<control::Heartbeat>(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->second, (control::Heartbeat{.epoch = 5, .last_step = 0}));
  source->report(plan::StepResult{.epoch = 5, .step_id = 41});
  EXPECT_TRUE(events_.heard_step(41));
  source->set_last_step(43);
  source->set_last_step(42);
  EXPECT_TRUE(events_.heard_step(43));
}

TEST_F(ControlDoorTest, NoMessageIsALapsedDeadlineNotAnEnd) {
  auto source = attach();
  EXPECT_EQ(source->next(Deadline::after(std::chrono::milliseconds(20))), std::nullopt);
}

TEST_F(ControlDoorTest, LargeReportsPass) {
  auto source = attach();
  source->report(hello(0));
  plan::StepResult result;
  result.step_id = 1;
  // More than gRPC's default limit of 4 MiB.
  result.tokens.push_back({.row = std::vector<float>(size_t{8} << 20, 0.25f)});
  source->report(result);
  const auto heard = events_.nth<plan::StepResult>(0);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->second.tokens.at(0).row.size(), size_t{8} << 20);
}

TEST_F(ControlDoorTest, AClosedLinkYieldsLeaveAfterWhatWasSent) {
  auto source = attach();
  source->report(hello(0));
  const auto heard = events_.nth<control::Hello>(0);
  ASSERT_TRUE(heard);
  door_.send(heard->first, control::Leave{.reason = "drained"});
  door_.close(heard->first);
  EXPECT_EQ(next_order(*source), ToWorker(control::Leave{.reason = "drained"}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(next_order(*source), ToWorker(control::Leave{"the coordinator closed the link"}));
  }
  EXPECT_TRUE(events_.wait_closed(1));
  source->report(hello(0));  // dropped, harmless
}

TEST_F(ControlDoorTest, ARankThatLeavesClosesItsLinkOnce) {
  attach()->report(hello(0));
  EXPECT_TRUE(events_.wait_closed(1));
  door_.shut_down();
  for (const auto& [link, times] : events_.closed()) EXPECT_EQ(times, 1) << link;
}

TEST_F(ControlDoorTest, AFailureReportedBeforeTheEndArrives) {
  {
    auto source = attach();
    source->report(hello(0));
    source->report(
        control::RankFailure{.epoch = 5, .rank = 0, .exit_code = 3, .message = "bad file"});
    EXPECT_TRUE(source->close(soon()));
  }
  const auto heard = events_.nth<control::RankFailure>(0);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->second.exit_code, 3);
}

TEST_F(ControlDoorTest, GarbageClosesItsLinkOnly) {
  auto good = attach();
  good->report(hello(0));
  const auto heard = events_.nth<control::Hello>(0);
  ASSERT_TRUE(heard);
  // Frame{payload: two bytes that are no message}, and bytes that are not even a Frame.
  for (const std::string& frame : {std::string("\x0a\x02\xff\xff"), std::string("\xff\xff\xff")}) {
    const auto reply = raw_call(
        channel_of(door_.address(), job_.worker), "/shoal.control.v1.ControlService/Attach", frame);
    EXPECT_NE(reply.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  EXPECT_TRUE(events_.wait_closed(2));
  EXPECT_EQ(events_.closed().count(heard->first), 0u);
  door_.send(heard->first, plan::StepPlan{.step_id = 9});
  EXPECT_EQ(next_order(*good), ToWorker(plan::StepPlan{.step_id = 9}));
}

TEST_F(ControlDoorTest, ShutDownEndsEveryLinkOnce) {
  std::vector<std::unique_ptr<GrpcPlanSource>> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.push_back(attach());
    ranks.back()->report(hello(rank));
  }
  ASSERT_TRUE(events_.nth<control::Hello>(2));
  door_.shut_down();
  const auto closed = events_.closed();
  EXPECT_EQ(closed.size(), 3u);
  for (const auto& [link, times] : closed) EXPECT_EQ(times, 1) << link;
  for (auto& rank : ranks) {
    EXPECT_EQ(next_order(*rank), ToWorker(control::Leave{"the coordinator closed the link"}));
  }
}

TEST_F(ControlDoorTest, UnknownLinksAreIgnored) {
  door_.send(999, control::Leave{});
  door_.close(999);
}

TEST(PlanSource, AnAbsentCoordinatorIsAStartupError) {
  SocketFolder folder;
  const access::JobCertificates job = access::make_job_certificates({"localhost"});
  try {
    GrpcPlanSource source(
        folder.address("none"), job.worker, Deadline::after(std::chrono::milliseconds(200)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStartup);
  }
}

}  // namespace
}  // namespace shoal::coordinator
