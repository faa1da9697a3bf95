// How much one client may ask of the gRPC door: message, metadata and streams of a connection, each
// at its limit and one beyond; and that names which look like paths are names and nothing else.
#include <gtest/gtest.h>

#include <future>

#include "runtime/coordinator/grpc_door.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "shoal/v1/model_service.grpc.pb.h"
#include "shoal/v1/tokenizer_service.grpc.pb.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

constexpr size_t kMessageLimit = size_t{16} << 20, kMetadataLimit = 16 << 10, kStreamLimit = 100;

class DoorLimitsTest : public testing::Test {
 protected:
  grpc::Status get_model(grpc::ClientContext& call) {
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::GetModelResponse response;
    return v1::ModelService::NewStub(channel_to(door_.address()))->GetModel(&call, {}, &response);
  }
  bool serves() {
    grpc::ClientContext call;
    return get_model(call).ok();
  }

  SocketFolder folder_;
  FakeRequestDoor fake_;
  GrpcDoor door_{{.address = folder_.address()}, fake_};
};

TEST_F(DoorLimitsTest, AMessageOfTheLimitIsReadAndOneByteMoreIsNot) {
  // Field 15 of wire type 2, which no version of the message has, filled up to the size.
  const auto message = [](size_t size) {
    std::string bytes = "\x7a";
    for (size_t left = size - 5; left > 0; left >>= 7)
      bytes += static_cast<char>((left & 0x7f) | (left >> 7 ? 0x80 : 0));
    return bytes + std::string(size - bytes.size(), 'x');
  };
  const auto ask = [&](size_t size) {
    return raw_call(
               channel_to(door_.address()), "/shoal.v1.TokenizerService/Tokenize", message(size))
        .status;
  };
  EXPECT_TRUE(ask(kMessageLimit).ok());
  EXPECT_EQ(ask(kMessageLimit + 1).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(serves());
}

TEST_F(DoorLimitsTest, MetadataBeyondTheLimitIsRefused) {
  const auto ask = [&](size_t size) {
    grpc::ClientContext call;
    call.AddMetadata("x-large", std::string(size, 'x'));
    return get_model(call).error_code();
  };
  EXPECT_EQ(ask(kMetadataLimit / 2), grpc::StatusCode::OK);
  for (const size_t size : {kMetadataLimit, 4 * kMetadataLimit, 64 * kMetadataLimit})
    EXPECT_NE(ask(size), grpc::StatusCode::OK) << size;
  EXPECT_TRUE(serves());
}

TEST_F(DoorLimitsTest, StreamsOfAConnectionBeyondTheLimitWait) {
  const auto channel = channel_to(door_.address());
  // A client may open what it likes until it has heard the limit.
  ASSERT_TRUE(raw_call(channel, "/grpc.health.v1.Health/Check", "").status.ok());
  const auto stub = v1::InferenceService::NewStub(channel);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  for (size_t i = 0; i < kStreamLimit + 3; ++i)
    contexts.push_back(std::make_unique<grpc::ClientContext>());
  const auto open = [&](size_t i) {
    v1::StreamGenerateRequest request;
    request.mutable_spec()->set_text("a");
    request.mutable_spec()->set_request_id(std::to_string(i));
    return stub->StreamGenerate(contexts[i].get(), request);
  };
  std::vector<std::unique_ptr<grpc::ClientReader<v1::StreamGenerateResponse>>> streams;
  for (size_t i = 0; i < kStreamLimit; ++i) streams.push_back(open(i));
  ASSERT_NE(fake_.submission(kStreamLimit - 1).sink, nullptr);
  // These return when their requests have left.
  std::vector<std::future<decltype(open(0))>> waiting;
  for (size_t i = kStreamLimit; i < contexts.size(); ++i)
    waiting.push_back(std::async(std::launch::async, open, i));
  // Other connections go on, and by then a 101st of this one would be here too.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(serves());
  EXPECT_EQ(fake_.num_submissions(), kStreamLimit);
  // One that ends makes room for one that waits.
  const auto first = fake_.submission(0);
  const size_t ended = std::stoul(first.request.request_id);
  play(first, "a");
  for (v1::StreamGenerateResponse response; streams[ended]->Read(&response);) {
  }
  EXPECT_TRUE(streams[ended]->Finish().ok());
  EXPECT_NE(fake_.submission(kStreamLimit).sink, nullptr);
  for (const auto& context : contexts) context->TryCancel();
  for (auto& one : waiting) streams.push_back(one.get());
  streams.erase(streams.begin() + static_cast<std::ptrdiff_t>(ended));
  for (const auto& stream : streams) stream->Finish();
}

TEST_F(DoorLimitsTest, NamesThatLookLikePathsAreNames) {
  const auto stub = v1::InferenceService::NewStub(channel_to(door_.address()));
  for (const std::string& name : {std::string("../../etc/passwd"),
                                  std::string("/etc/passwd"),
                                  std::string("%2e%2e/x"),
                                  std::string("a\0b", 3),
                                  std::string("a\nb")}) {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::CancelRequestRequest which;
    which.set_request_id(name);
    v1::CancelRequestResponse response;
    const grpc::Status status = stub->CancelRequest(&call, which, &response);
    EXPECT_TRUE(status.error_code() == grpc::StatusCode::NOT_FOUND ||
                status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
        << status.error_code();
    EXPECT_EQ(status.error_message().find("passwd"), std::string::npos);
  }
}

}  // namespace
}  // namespace shoal::coordinator
