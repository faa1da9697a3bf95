// The queues of a rank's link between their three threads, without a transport. Run under
// ThreadSanitizer too.
#include "runtime/control/link_queues.h"

#include <gtest/gtest.h>

#include <thread>

namespace shoal::control {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::after(10s); }

ToCoordinator result(plan::StepId step) {
  plan::StepResult out;
  out.step_id = step;
  return out;
}

ToCoordinator sent(const std::optional<std::vector<std::byte>>& frame) {
  auto message = decode_to_coordinator(frame.value());
  return std::move(message.value());
}

// The next frame that is no heartbeat.
ToCoordinator next_sent(LinkQueues& queues) {
  while (true)
    if (auto message = sent(queues.next_report()); !std::holds_alternative<Heartbeat>(message))
      return message;
}

TEST(LinkQueues, OrdersComeInOrderAndThenLeaveForEver) {
  LinkQueues queues;
  plan::StepPlan plan;
  for (plan.step_id = 1; plan.step_id <= 3; ++plan.step_id) EXPECT_TRUE(queues.enqueue(plan));
  queues.close();
  for (plan::StepId step = 1; step <= 3; ++step)
    EXPECT_EQ(std::get<plan::StepPlan>(queues.next(soon()).value()).step_id, step);
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(std::holds_alternative<Leave>(queues.next(soon()).value()));
}

TEST(LinkQueues, UnfetchedHeartbeatsAreOne) {
  LinkQueues queues;
  for (plan::StepId step = 1; step <= 3; ++step) queues.enqueue(Heartbeat{1, step});
  EXPECT_EQ(std::get<Heartbeat>(queues.next(soon()).value()).last_step, 3u);
  EXPECT_FALSE(queues.next(Deadline::after(0s)).has_value());
}

TEST(LinkQueues, TooManyOrdersCutTheLink) {
  LinkQueues queues;
  for (size_t i = 0; i < kMaxQueuedOrders; ++i) ASSERT_TRUE(queues.enqueue(plan::StepPlan{}));
  EXPECT_FALSE(queues.enqueue(plan::StepPlan{}));
}

TEST(LinkQueues, TheHeartBeatsWithTheLastStepAfterTheHello) {
  LinkQueues queues;
  Hello hello;
  hello.epoch = 7;
  queues.report(hello);
  EXPECT_EQ(std::get<Hello>(next_sent(queues)).epoch, 7u);
  queues.set_last_step(4);
  const auto beat = std::get<Heartbeat>(sent(queues.next_report()));
  EXPECT_EQ(beat.epoch, 7u);
  EXPECT_EQ(beat.last_step, 4u);
}

TEST(LinkQueues, FinishSaysWhetherEverythingWasWritten) {
  LinkQueues written, failed;
  for (LinkQueues* queues : {&written, &failed}) queues->report(result(1));
  std::thread peer([&written] {
    while (written.next_report()) {
    }
    written.close();
  });
  EXPECT_TRUE(written.finish(soon()));
  peer.join();
  failed.writing_failed();
  failed.close();
  EXPECT_FALSE(failed.finish(soon()));
  LinkQueues silent;
  EXPECT_FALSE(silent.finish(Deadline::after(1ms)));
}

// Reader, writer, step loop and a fourth thread that reports progress, all at once.
TEST(LinkQueues, ThreadsMeetWithoutLoss) {
  constexpr plan::StepId kSteps = 2000;
  LinkQueues queues;
  queues.report(Hello{});
  std::thread reader([&queues] {
    plan::StepPlan plan;
    for (plan.step_id = 1; plan.step_id <= kSteps; ++plan.step_id) {
      queues.enqueue(plan);
      if (plan.step_id % 16 == 0) queues.enqueue(Heartbeat{1, plan.step_id});
    }
  });
  plan::StepId last_written = 0, out_of_order = 0;
  std::thread writer([&] {
    while (const auto frame = queues.next_report()) {
      const ToCoordinator message = sent(frame);
      if (const auto* step = std::get_if<plan::StepResult>(&message)) {
        out_of_order += step->step_id == last_written + 1 ? 0 : 1;
        last_written = step->step_id;
      }
    }
    queues.close();
  });
  std::thread progress([&queues] {
    for (plan::StepId step = 1; step <= kSteps; ++step) queues.set_last_step(step);
  });
  plan::StepId taken = 0;
  while (taken < kSteps) {
    const auto order = queues.next(soon());
    ASSERT_TRUE(order.has_value());
    if (const auto* plan = std::get_if<plan::StepPlan>(&*order)) {
      EXPECT_EQ(plan->step_id, ++taken);
      queues.report(result(taken));
    }
  }
  EXPECT_TRUE(queues.finish(soon()));
  for (std::thread* thread : {&reader, &writer, &progress}) thread->join();
  EXPECT_EQ(last_written, kSteps);
  EXPECT_EQ(out_of_order, 0u);
}

}  // namespace
}  // namespace shoal::control
