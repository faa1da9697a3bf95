// Who may join a job with the right certificate, and what a worker of the job that sends nonsense
// can do: lose its own link, and nothing else.
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "loader/io/model_files.h"
#include "runtime/base/log.h"
#include "runtime/control/grpc/grpc_plan_source.h"
#include "runtime/coordinator/access/job_certificates.h"
#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/grpc_control_door.h"
#include "sharding/planner.h"
#include "tests/unit/control/frame_mutator.h"
#include "tests/unit/control/sample_messages.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_ranks.h"
#include "tests/unit/coordinator/recorded_events.h"

namespace shoal::coordinator {
namespace {

using access::JobCertificates;
using access::make_job_certificates;
using control::GrpcPlanSource;

constexpr const char* kAttach = "/shoal.control.v1.ControlService/Attach";
constexpr int kFrames = 400;

control::Hello hello(int rank, plan::Epoch epoch = 1) {
  return {.job_token = "secret", .epoch = epoch, .rank = rank, .world_size = 2, .build = "test"};
}

class JoinTest : public testing::Test {
 protected:
  JoinTest() {
    loader::ModelFiles files =
        loader::open_model(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
    const std::shared_ptr<const ServedModel> model =
        make_served_model(files.metadata, std::move(files.directory), "");
    CoordinatorConfig config;
    config.plan = std::get<sharding::ShardPlan>(
        sharding::plan_shards(model->directory,
                              model->config,
                              {.ep_per_stage = {2}, .context = 256, .max_sequences = 2}));
    config.max_sequences = 2;
    config.job_token = "secret";
    config.build = "test";
    coordinator_ = std::make_unique<Coordinator>(std::move(config), model);
    door_ = std::make_unique<GrpcControlDoor>("127.0.0.1:0", job_.coordinator, *coordinator_);
    coordinator_->start(*door_);
    EXPECT_TRUE(coordinator_->next_job(Deadline::after(kPatience)));
  }
  ~JoinTest() override { door_->shut_down(); }

  std::unique_ptr<GrpcPlanSource> attach(const control::Hello& first) {
    auto source =
        std::make_unique<GrpcPlanSource>(door_->address(), job_.worker, Deadline::after(kPatience));
    source->report(first);
    return source;
  }
  // Why the coordinator sent a rank away; empty when it did not.
  static std::string reason(GrpcPlanSource& source) {
    while (auto order = source.next(Deadline::after(kPatience))) {
      if (const auto* leave = std::get_if<control::Leave>(&*order)) return leave->reason;
      if (std::holds_alternative<control::Welcome>(*order)) break;
    }
    return "";
  }
  static void make_ready(GrpcPlanSource& source, int rank, plan::Epoch epoch = 1) {
    source.report(control::LoadProgress{.epoch = epoch, .rank = rank, .ready = true});
  }
  // The first plan that runs a sequence; without any where none comes.
  static plan::StepPlan first_step(GrpcPlanSource& source) {
    while (auto order = source.next(Deadline::after(kPatience)))
      if (const auto* step = std::get_if<plan::StepPlan>(&*order); step && !step->sequences.empty())
        return *step;
    return {};
  }
  bool serves() {
    for (int i = 0; i < 1000; ++i) {
      if (coordinator_->status().phase == Phase::kServing) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  const JobCertificates job_ = make_job_certificates({"127.0.0.1"});
  std::unique_ptr<GrpcControlDoor> door_;  // outlives the coordinator
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(JoinTest, WrongTokenOldEpochAndARepeatedHelloAreSentAway) {
  control::Hello stranger = hello(0), late = hello(0);
  stranger.job_token = "another job's";
  late.epoch = 0;
  EXPECT_EQ(reason(*attach(stranger)), "the job token is wrong");
  EXPECT_EQ(reason(*attach(late)), "epoch 0 is over; this is epoch 1");
  const auto first = attach(hello(0));
  // The same words again, on another link of the same job.
  while (coordinator_->status().ranks.at(0).state == "absent") std::this_thread::yield();
  EXPECT_EQ(reason(*attach(hello(0))), "rank 0 is already here");
  const auto second = attach(hello(1));
  EXPECT_EQ(reason(*first), "");
  EXPECT_EQ(reason(*second), "");
  make_ready(*first, 0);
  make_ready(*second, 1);
  EXPECT_TRUE(serves());
}

TEST_F(JoinTest, DamagedFramesEndTheirOwnLinkOnly) {
  const auto first = attach(hello(0)), second = attach(hello(1));
  make_ready(*first, 0);
  make_ready(*second, 1);
  ASSERT_TRUE(serves());
  control::FrameMutator mutator(7);
  log::set_level(log::Level::kError);  // each frame is a line
  const auto messages = control::coordinator_messages();
  const auto channel = channel_of(door_->address(), job_.worker);
  for (int i = 0; i < kFrames; ++i) {
    const auto bytes =
        mutator.mutate(control::encode(messages[static_cast<size_t>(i) % messages.size()]));
    // Frame{payload}: tag 1 of wire type 2, a length of two base-128 digits, the bytes.
    std::string frame = {'\x0a',
                         static_cast<char>((bytes.size() & 0x7f) | 0x80),
                         static_cast<char>(bytes.size() >> 7)};
    frame.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_NE(raw_call(channel, kAttach, frame).status.error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED)
        << i;
  }
  EXPECT_EQ(coordinator_->status().phase, Phase::kServing);
  EXPECT_EQ(coordinator_->status().epoch, 1u);
  EXPECT_EQ(reason(*first), "");  // its Welcome
  coordinator_->drain(Deadline::after(kPatience));
  EXPECT_NE(reason(*first), "");  // it was there to the end
}

// What decodes may still be nonsense: ids, positions and ranks that nobody asked for.
TEST_F(JoinTest, AWorkerThatReportsNonsenseDoesNotHarmTheCoordinator) {
  const auto first = attach(hello(0)), second = attach(hello(1));
  make_ready(*first, 0);
  make_ready(*second, 1);
  ASSERT_TRUE(serves());
  GenerationRequest request;
  request.prompt_ids = {1, 2, 3};
  request.max_tokens = 100;
  request.sampling.logprobs = 3;
  const auto sink = std::make_shared<CollectingSink>();
  ASSERT_FALSE(coordinator_->submit(request, sink));
  const plan::StepPlan plan = first_step(*first);
  ASSERT_FALSE(plan.sequences.empty());
  const auto id = plan.sequences[0].id;
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max(),
                    kLeast = std::numeric_limits<int32_t>::min();
  for (const auto sequence : {id, id + 1, plan::SequenceId{0}}) {
    for (const int32_t token : {-1, 0, 5, 1'000'000, kMost, kLeast}) {
      for (const int64_t position : {int64_t{0}, int64_t{3}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
        plan::TokenScore score{.id = sequence, .position = position, .token = token};
        score.logprob = std::numeric_limits<float>::quiet_NaN();
        score.sampled = token != 0;
        score.row = {1, 2};
        score.top = {{token, -1}, {kMost, 0}, {kLeast, 0}, {token, 0}, {1, 0}};
        plan::StepResult result{.epoch = 1, .step_id = plan.step_id, .rank = token};
        result.repeat = token;
        result.tokens = {score, score};
        result.final_part = token > 0;
        result.step_nanos = position;
        first->report(result);
      }
    }
  }
  // Its epoch ends, as with any rank that is lost, and the stream enters the next one.
  ASSERT_TRUE(coordinator_->next_job(Deadline::after(kPatience)));
  EXPECT_EQ(coordinator_->status().epoch, 2u);
  const auto third = attach(hello(0, 2)), fourth = attach(hello(1, 2));
  make_ready(*third, 0, 2);
  make_ready(*fourth, 1, 2);
  ASSERT_TRUE(serves());
  const plan::StepPlan again = first_step(*third);
  ASSERT_FALSE(again.sequences.empty());
  ASSERT_GE(again.sequences[0].tokens.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(again.sequences[0].tokens[i], request.prompt_ids[i]);
}

}  // namespace
}  // namespace shoal::coordinator
