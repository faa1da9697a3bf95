// The door around the streams: health, reflection, the small services, addresses.
#include "runtime/coordinator/grpc_door.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "runtime/base/error.h"
#include "runtime/coordinator/client/generate_client.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

constexpr const char* kServing = "\x08\x01";
constexpr const char* kNotServing = "\x08\x02";

// HealthCheckRequest{service}, HealthCheckResponse{status}, as bytes.
std::string health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  std::string request;
  if (!service.empty()) request = std::string("\x0a") + static_cast<char>(service.size()) + service;
  return raw_call(channel, "/grpc.health.v1.Health/Check", request).bytes;
}

class GrpcDoorTest : public testing::Test {
 protected:
  SocketFolder folder_;
  FakeRequestDoor fake_;
};

TEST_F(GrpcDoorTest, HealthFollowsThePhase) {
  fake_.set_phase(Phase::kStarting);
  GrpcDoor door({.address = folder_.address()}, fake_);
  const auto channel = channel_to(door.address());
  const std::string inference = "shoal.v1.InferenceService";
  EXPECT_EQ(health(channel, ""), kServing);
  EXPECT_EQ(health(channel, inference), kNotServing);
  fake_.set_phase(Phase::kServing);
  EXPECT_EQ(health(channel, inference), kServing);
  fake_.set_phase(Phase::kRecovering);
  EXPECT_EQ(health(channel, ""), kServing);
  EXPECT_EQ(health(channel, inference), kNotServing);
  fake_.set_phase(Phase::kDraining);
  EXPECT_EQ(health(channel, ""), kNotServing);
  const auto unknown = raw_call(channel, "/grpc.health.v1.Health/Check", "\x0a\x01?");
  EXPECT_EQ(unknown.status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcDoorTest, PhasesAfterTheDoorIsGoneAreHarmless) {
  { GrpcDoor door({.address = folder_.address()}, fake_); }
  fake_.set_phase(Phase::kStopped);
}

TEST_F(GrpcDoorTest, ReflectionListsEveryService) {
  GrpcDoor door({.address = folder_.address()}, fake_);
  // ServerReflectionRequest{list_services: "*"}
  const auto reply = raw_call(channel_to(door.address()),
                              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                              "\x3a\x01*");
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  for (const char* name : {"shoal.v1.InferenceService",
                           "shoal.v1.TokenizerService",
                           "shoal.v1.ModelService",
                           "shoal.v1.ClusterService",
                           "grpc.health.v1.Health"}) {
    EXPECT_NE(reply.bytes.find(name), std::string::npos) << name;
  }
  EXPECT_EQ(reply.bytes.find("control"), std::string::npos);
}

TEST_F(GrpcDoorTest, ATakenPortIsAUsageError) {
  GrpcDoor door({.address = "127.0.0.1:0"}, fake_);
  try {
    GrpcDoor second({.address = door.address()}, fake_);
    FAIL() << "two servers on " << door.address();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    const std::string port = door.address().substr(door.address().rfind(':') + 1);
    EXPECT_EQ(error.what(), "port " + port + " is in use; choose another with --grpc-port");
  }
}

TEST_F(GrpcDoorTest, ATakenSocketIsAUsageErrorAndAStaleOneIsNot) {
  {
    GrpcDoor door({.address = folder_.address()}, fake_);
    EXPECT_THROW(GrpcDoor({.address = folder_.address()}, fake_), Error);
    EXPECT_EQ(health(channel_to(door.address()), ""), kServing) << "the first one still answers";
  }
  GrpcDoor again({.address = folder_.address()}, fake_);
  EXPECT_EQ(health(channel_to(again.address()), ""), kServing);
}

TEST_F(GrpcDoorTest, OversizedRequestsAreRefused) {
  GrpcDoor door({.address = folder_.address()}, fake_);
  const auto channel = channel_to(door.address());
  const auto reply =
      raw_call(channel, "/shoal.v1.TokenizerService/Tokenize", std::string((16 << 20) + 1, 'x'));
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(health(channel, ""), kServing);
}

TEST_F(GrpcDoorTest, GarbageMessagesAreRefused) {
  GrpcDoor door({.address = folder_.address()}, fake_);
  const auto channel = channel_to(door.address());
  const auto reply = raw_call(channel, "/shoal.v1.InferenceService/Generate", "\xff\xff\xff");
  EXPECT_FALSE(reply.status.ok());
  EXPECT_EQ(health(channel, ""), kServing);
}

class ClientTest : public GrpcDoorTest {
 protected:
  GrpcDoor door_{{.address = folder_.address()}, fake_};
  client::GenerateClient client_{door_.address()};
};

TEST_F(ClientTest, TokenizesBothWays) {
  EXPECT_EQ(client_.tokenize("a<|end|>"), (std::vector<int32_t>{'a', 256}));
  EXPECT_EQ(client_.tokenize("<|end|>", false).size(), 7u);
  EXPECT_EQ(client_.detokenize({'h', 'i', 256}), "hi");
  EXPECT_EQ(client_.detokenize({'h', 'i', 256}, false), "hi<|end|>");
  EXPECT_THROW(client_.detokenize({259}), Error);
  EXPECT_EQ(client_.tokenize("\xff"), (std::vector<int32_t>{0xEF, 0xBF, 0xBD})) << "U+FFFD";
}

TEST_F(ClientTest, RendersAChat) {
  client::ChatPrompt chat;
  chat.messages.push_back({.role = "user", .content = "hi"});
  const auto rendered = client_.render_chat(chat);
  EXPECT_EQ(rendered.text, "<|end|>user:hi<|end|>");
  EXPECT_EQ(rendered.ids.size(), 9u);
  chat.messages[0].role = "forbidden";
  try {
    client_.render_chat(chat);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRequest);
    EXPECT_STREQ(error.what(), "INVALID_ARGUMENT: role is forbidden");
  }
}

TEST_F(ClientTest, ReportsModelAndCluster) {
  const auto model = client_.get_model();
  EXPECT_EQ(model.name, "bytes");
  EXPECT_EQ(model.vocab_size, 259);
  EXPECT_EQ(model.max_context, 4096);
  EXPECT_EQ(model.stop_ids, std::vector<int32_t>{256});
  EXPECT_TRUE(model.has_chat_template);
  EXPECT_EQ(model.default_sampling.temperature, 1.0f);
  EXPECT_FALSE(model.sampling_from_model);

  const auto cluster = client_.get_cluster();
  EXPECT_EQ(cluster.phase, Phase::kServing);
  EXPECT_EQ(cluster.epoch, 3u);
  EXPECT_EQ(cluster.running, 2);
  ASSERT_EQ(cluster.ranks.size(), 2u);
  EXPECT_EQ(cluster.ranks[1].pid, 101);
  EXPECT_EQ(cluster.ranks[1].place.ep_rank, 1);
  EXPECT_EQ(cluster.ranks[1].bytes_by_class.at(0).second, 30u);
  EXPECT_EQ(cluster.ranks[1].stats.seconds_expert, 1.5);
}

TEST_F(ClientTest, StreamsAndReportsFailures) {
  std::thread server([this] { play(fake_.submission(0), "streamed"); });
  std::string text;
  bool accepted = false;
  std::optional<Finished> finished;
  client_.stream_generate(
      {.request_id = "c", .prompt = std::vector<int32_t>{1, 2}},
      {.accepted = [&](const Accepted& event) { accepted = event.prompt_tokens == 2; },
       .delta = [&](const Delta& event) { text += event.text; },
       .finished = [&](const Finished& event) { finished = event; }});
  server.join();
  EXPECT_TRUE(accepted);
  EXPECT_EQ(text, "streamed");
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->reason, FinishReason::kStopToken);
  EXPECT_EQ(finished->timings.prefill, std::chrono::milliseconds(1500));

  client::GenerateOptions bad{.prompt = "x"};
  bad.sampling.temperature = -1;
  bad.sampling.top_p = 2;
  try {
    client_.stream_generate(bad, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRequest);
    EXPECT_STREQ(error.what(),
                 "INVALID_ARGUMENT: sampling.temperature: -1 is outside 0..100; "
                 "sampling.top_p: 2 is not above 0 and up to 1");
  }
  fake_.refuse_with(Failure{
      .code = FailureCode::kUnavailable, .message = "rank 1 was lost", .reason = "CLUSTER_FAILED"});
  try {
    client_.stream_generate({.prompt = "x"}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRankLost);
  }
}

TEST_F(ClientTest, AnInterruptCancelsTheRequest) {
  std::atomic<bool> interrupted = false;
  std::thread user([&] {
    fake_.submission(0);
    interrupted = true;
  });
  EXPECT_THROW(client_.stream_generate({.request_id = "int", .prompt = "x"}, {}, &interrupted),
               Error);
  user.join();
  EXPECT_TRUE(fake_.wait_cancelled("int"));
  EXPECT_FALSE(client_.cancel("nobody"));
}

TEST(Client, NobodyThereIsAStartupError) {
  SocketFolder folder;
  try {
    client::GenerateClient client(
        folder.address("nobody"), {}, Deadline::after(std::chrono::milliseconds(200)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStartup);
    EXPECT_EQ(std::string(error.what()).find("cannot reach a shoal server at unix:"), 0u);
  }
}

}  // namespace
}  // namespace shoal::coordinator
