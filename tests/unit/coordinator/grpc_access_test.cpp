// Who may call the gRPC door: keys, TLS, client certificates, and files that change while it runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/base/error.h"
#include "runtime/coordinator/client/server_channel.h"
#include "runtime/coordinator/front_door.h"
#include "runtime/coordinator/grpc_door.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "shoal/v1/model_service.grpc.pb.h"
#include "tests/unit/coordinator/access/made_certificates.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

constexpr const char* kKey = "0123456789abcdef";
constexpr auto kPatience = std::chrono::seconds(5);

std::shared_ptr<const access::ApiKeys> keys() {
  return std::make_shared<const access::ApiKeys>(
      access::ApiKeys::parse("alice 0123456789abcdef\nbob fedcba9876543210\n"));
}

class GrpcAccessTest : public testing::Test {
 protected:
  std::string folder() const { return folder_.address("").substr(5); }

  // What a client with `access` gets from GetModel. UNAVAILABLE: it could not even connect.
  static grpc::StatusCode ask(const std::string& address, const client::ClientAccess& access) {
    try {
      const auto channel =
          client::open_channel(address, access, Deadline::after(std::chrono::milliseconds(1500)));
      grpc::ClientContext call;
      call.set_deadline(std::chrono::system_clock::now() + kPatience);
      v1::GetModelResponse response;
      return v1::ModelService::NewStub(channel)->GetModel(&call, {}, &response).error_code();
    } catch (const Error&) {
      return grpc::StatusCode::UNAVAILABLE;
    }
  }

  SocketFolder folder_;
  FakeRequestDoor fake_;
};

TEST_F(GrpcAccessTest, EveryMethodNeedsAKey) {
  for (const std::string& address : {folder_.address(), std::string("127.0.0.1:0")}) {
    GrpcDoor door({.address = address, .access = {.keys = keys()}}, fake_);
    EXPECT_EQ(ask(door.address(), {}), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ask(door.address(), {.api_key = "0123456789abcdeX"}),
              grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ask(door.address(), {.api_key = kKey}), grpc::StatusCode::OK);
    const auto channel = channel_to(door.address());
    for (const char* method : {"/shoal.v1.InferenceService/Generate",
                               "/shoal.v1.InferenceService/CancelRequest",
                               "/shoal.v1.TokenizerService/Tokenize",
                               "/shoal.v1.ClusterService/GetCluster",
                               "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"})
      EXPECT_EQ(raw_call(channel, method, "").status.error_code(),
                grpc::StatusCode::UNAUTHENTICATED)
          << method;
    EXPECT_TRUE(raw_call(channel, "/grpc.health.v1.Health/Check", "").status.ok());
  }
}

TEST_F(GrpcAccessTest, RequestsBelongToTheirOwners) {
  FrontDoor front(fake_);
  GrpcDoor door(
      {.address = folder_.address(), .access = {.keys = keys()}, .ledger = &front.ledger()}, front);
  const auto stub_of = [&](const char* key) {
    return v1::InferenceService::NewStub(
        client::open_channel(door.address(), {.api_key = key}, Deadline::after(kPatience)));
  };
  const auto alice = stub_of(kKey), bob = stub_of("fedcba9876543210");
  grpc::ClientContext stream_call;
  v1::StreamGenerateRequest request;
  request.mutable_spec()->set_text("a");
  request.mutable_spec()->set_request_id("hers");
  const auto stream = alice->StreamGenerate(&stream_call, request);
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  EXPECT_EQ(submission.request.owner, "alice");
  submission.sink->accepted({.request_id = "hers", .prompt_tokens = 1});

  const auto cancel = [](v1::InferenceService::Stub& stub) {
    grpc::ClientContext call;
    v1::CancelRequestRequest which;
    which.set_request_id("hers");
    v1::CancelRequestResponse response;
    return stub.CancelRequest(&call, which, &response).error_code();
  };
  const auto listed = [](v1::InferenceService::Stub& stub) {
    grpc::ClientContext call;
    v1::ListRequestsResponse response;
    EXPECT_TRUE(stub.ListRequests(&call, {}, &response).ok());
    return response.requests_size();
  };
  EXPECT_EQ(listed(*bob), 0);
  EXPECT_EQ(cancel(*bob), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(fake_.num_cancels(), 0u);
  EXPECT_EQ(listed(*alice), 1);
  EXPECT_EQ(cancel(*alice), grpc::StatusCode::OK);
  EXPECT_EQ(listed(*alice), 0);
}

TEST_F(GrpcAccessTest, DebuggingIsOff) {
  GrpcDoor door({.address = folder_.address()}, fake_);
  const auto channel = channel_to(door.address());
  for (const char* method : {"/grpc.channelz.v1.Channelz/GetServers",
                             "/shoal.v1.AdminService/Drain",
                             "/shoal.v1.AdminService/DumpState"})
    EXPECT_EQ(raw_call(channel, method, "").status.error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << method;
}

TEST_F(GrpcAccessTest, ServesOverTls) {
  const access::MadeAuthority authority(folder(), "ours"), other(folder(), "other");
  const auto files = authority.issue("server");
  GrpcDoor door({.address = "127.0.0.1:0",
                 .access = {.tls = access::TlsFiles{files.certificate, files.key, ""}}},
                fake_);
  EXPECT_EQ(ask(door.address(), {.authority = authority.path()}), grpc::StatusCode::OK);
  EXPECT_EQ(ask(door.address(), {.authority = other.path()}), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ask(door.address(), {}), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcAccessTest, AsksForClientCertificates) {
  const access::MadeAuthority authority(folder(), "ours"), other(folder(), "other");
  const auto files = authority.issue("server");
  const auto mine = authority.issue("client"), stranger = other.issue("stranger"),
             old = authority.issue("old", -1);
  GrpcDoor door(
      {.address = "127.0.0.1:0",
       .access = {.tls = access::TlsFiles{files.certificate, files.key, authority.path()}}},
      fake_);
  const auto with = [&](const access::PemFiles& pem) {
    return ask(door.address(),
               {.authority = authority.path(), .certificate = pem.certificate, .key = pem.key});
  };
  EXPECT_EQ(with(mine), grpc::StatusCode::OK);
  EXPECT_EQ(with(stranger), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(with(old), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ask(door.address(), {.authority = authority.path()}), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcAccessTest, TakesChangedCertificatesAndKeepsStreams) {
  const access::MadeAuthority before(folder(), "before"), after(folder(), "after");
  const auto files = before.issue("server");
  GrpcDoor door(
      {.address = "127.0.0.1:0",
       .access = {.tls = access::TlsFiles{files.certificate, files.key, ""}, .keys = keys()}},
      fake_);
  const auto channel = client::open_channel(
      door.address(), {.api_key = kKey, .authority = before.path()}, Deadline::after(kPatience));
  grpc::ClientContext call;
  v1::StreamGenerateRequest request;
  request.mutable_spec()->set_text("a");
  const auto stream = v1::InferenceService::NewStub(channel)->StreamGenerate(&call, request);
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);

  after.issue("server");
  const Deadline deadline = Deadline::after(std::chrono::seconds(20));
  grpc::StatusCode code = grpc::StatusCode::UNAVAILABLE;
  while (code != grpc::StatusCode::OK && !deadline.passed())
    code = ask(door.address(), {.api_key = kKey, .authority = after.path()});
  EXPECT_EQ(code, grpc::StatusCode::OK);

  play(submission, "still here");
  std::string text;
  for (v1::StreamGenerateResponse message; stream->Read(&message);) text += message.delta().text();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(text, "still here");
}

TEST_F(GrpcAccessTest, RefusesFilesThatCannotBeUsed) {
  const access::MadeAuthority authority(folder(), "ours");
  const auto one = authority.issue("one"), two = authority.issue("two");
  std::ofstream(folder() + "/text") << "not a certificate\n";
  for (const access::TlsFiles& files : {access::TlsFiles{one.certificate, two.key, ""},
                                        access::TlsFiles{folder() + "/absent", one.key, ""},
                                        access::TlsFiles{folder() + "/text", one.key, ""},
                                        access::TlsFiles{one.certificate, one.key, "/absent"}}) {
    try {
      GrpcDoor door({.address = "127.0.0.1:0", .access = {.tls = files}}, fake_);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
    }
  }
}

}  // namespace
}  // namespace shoal::coordinator
