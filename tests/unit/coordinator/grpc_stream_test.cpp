// Streams through the real gRPC door: order, cancel, deadline, slow readers.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "runtime/coordinator/grpc_calls.h"
#include "runtime/coordinator/grpc_door.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

class GrpcStreamTest : public testing::Test {
 protected:
  GrpcStreamTest()
      : door_({.address = folder_.address()}, fake_),
        stub_(v1::InferenceService::NewStub(channel_to(door_.address()))) {}

  static v1::StreamGenerateRequest request(const std::string& id) {
    v1::StreamGenerateRequest request;
    request.mutable_spec()->set_request_id(id);
    request.mutable_spec()->set_text("abc");
    return request;
  }

  template <class Detail>
  static Detail detail_of(const grpc::Status& status) {
    google::rpc::Status details;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), status.error_code());
    Detail found;
    for (const auto& any : details.details()) {
      if (any.UnpackTo(&found)) return found;
    }
    ADD_FAILURE() << "no such detail in: " << details.ShortDebugString();
    return found;
  }

  SocketFolder folder_;
  FakeRequestDoor fake_;
  GrpcDoor door_;
  std::unique_ptr<v1::InferenceService::Stub> stub_;
};

TEST_F(GrpcStreamTest, EventsComeInOrderAndTextIsWhole) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("one"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  EXPECT_EQ(submission.request.prompt_ids, (std::vector<int32_t>{'a', 'b', 'c'}));
  const std::string text(300, 'x');
  play(submission, text);

  std::string received, order;
  std::vector<uint32_t> ids;
  size_t num_logprobs = 0;
  v1::StreamGenerateResponse message;
  while (stream->Read(&message)) {
    EXPECT_EQ(message.request_id(), "one");
    if (message.has_accepted()) {
      order += 'A';
      EXPECT_EQ(message.accepted().prompt_tokens(), 3);
      EXPECT_EQ(message.accepted().sampling().temperature(), 1);
    } else if (message.has_delta()) {
      if (order.back() != 'D') order += 'D';
      received += message.delta().text();
      ids.insert(ids.end(), message.delta().token_ids().begin(), message.delta().token_ids().end());
      num_logprobs += static_cast<size_t>(message.delta().logprobs_size());
    } else if (message.has_finished()) {
      order += 'F';
      EXPECT_EQ(message.finished().reason(), v1::FINISH_REASON_STOP_TOKEN);
      EXPECT_EQ(message.finished().usage().completion_tokens(), 300);
      EXPECT_EQ(message.finished().timings().prefill().nanos(), 500'000'000);
    }
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(order, "ADF");
  EXPECT_EQ(received, text);
  EXPECT_EQ(ids, std::vector<uint32_t>(300, 'x'));
  EXPECT_EQ(num_logprobs, 300u);
  EXPECT_EQ(fake_.num_cancels(), 0u);
}

// What a sink tells about the prompt comes before the first delta, and the likeliest tokens lie
// beside theirs.
void play_logprobs(const FakeRequestDoor::Submission& submission) {
  submission.sink->accepted({.request_id = submission.request.request_id, .prompt_tokens = 3});
  submission.sink->scored(
      {{.position = 1, .token = 'b', .logprob = -1, .row = {}, .top = {{'c', -0.5f}}}});
  submission.sink->scored(
      {{.position = 2, .token = 'c', .logprob = -2, .row = {}, .top = {{'d', -0.25f}}}});
  submission.sink->delta(
      {.text = "x", .token_ids = {'x'}, .logprobs = {-3}, .top = {{{'x', -3}, {'y', -4}}}});
  submission.sink->finished({.reason = FinishReason::kStopToken, .matched_stop = {}});
}

void expect_logprobs(const v1::Prompt& prompt, const v1::TopLogprobs& top) {
  EXPECT_EQ(prompt.text(), "abc");
  EXPECT_EQ(prompt.token_ids_size(), 3);
  ASSERT_EQ(prompt.logprobs_size(), 2);
  EXPECT_EQ(prompt.logprobs(1), -2);
  ASSERT_EQ(prompt.top_logprobs_size(), 2);
  EXPECT_EQ(prompt.top_logprobs(1).token_ids(0), uint32_t{'d'});
  EXPECT_EQ(prompt.top_logprobs(1).logprobs(0), -0.25f);
  ASSERT_EQ(top.token_ids_size(), 2);
  EXPECT_EQ(top.token_ids(1), uint32_t{'y'});
  EXPECT_EQ(top.logprobs(1), -4);
}

TEST_F(GrpcStreamTest, EchoAndLogprobsComeBack) {
  auto wanted = request("one");
  wanted.mutable_spec()->mutable_output()->set_echo(true);
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, wanted);
  play_logprobs(fake_.submission(0));
  v1::Prompt prompt;
  v1::Delta delta;
  v1::StreamGenerateResponse message;
  while (stream->Read(&message)) {
    if (message.has_prompt()) {
      EXPECT_TRUE(delta.text().empty()) << "the prompt came after a delta";
      prompt.MergeFrom(message.prompt());
    }
    if (message.has_delta()) delta.MergeFrom(message.delta());
  }
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_EQ(delta.top_logprobs_size(), 1);
  expect_logprobs(prompt, delta.top_logprobs(0));
}

TEST_F(GrpcStreamTest, UnaryHasEchoAndLogprobsToo) {
  std::thread server([this] { play_logprobs(fake_.submission(0)); });
  grpc::ClientContext call;
  v1::GenerateRequest message;
  message.mutable_spec()->set_text("abc");
  message.mutable_spec()->mutable_output()->set_echo(true);
  v1::GenerateResponse response;
  const auto status = stub_->Generate(&call, message, &response);
  server.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.top_logprobs_size(), 1);
  expect_logprobs(response.prompt(), response.top_logprobs(0));
}

TEST_F(GrpcStreamTest, UnaryCollectsTheStream) {
  std::thread server([this] { play(fake_.submission(0), "hello"); });
  grpc::ClientContext call;
  call.AddMetadata("x-request-id", "meta");
  v1::GenerateRequest message;
  message.mutable_spec()->set_text("abc");
  v1::GenerateResponse response;
  const auto status = stub_->Generate(&call, message, &response);
  server.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.text(), "hello");
  EXPECT_EQ(response.token_ids_size(), 5);
  EXPECT_EQ(response.request_id(), "meta");
  EXPECT_EQ(response.finished().usage().prompt_tokens(), 3);
}

// Two choices, their deltas in turns.
void play_choices(const FakeRequestDoor::Submission& submission) {
  submission.sink->accepted({.request_id = submission.request.request_id, .prompt_tokens = 3});
  for (int i = 0; i < 3; ++i)
    for (const int index : {1, 0})
      submission.sink->delta({.index = index,
                              .text = index == 0 ? "a" : "b",
                              .token_ids = {10 * index + i},
                              .logprobs = {}});
  Finished finished;
  finished.usage = {.prompt_tokens = 3, .completion_tokens = 6, .cached_tokens = 2};
  finished.cache = {.shared_tokens = 2, .end = "diverged"};
  finished.choices = {{.reason = FinishReason::kMaxTokens, .completion_tokens = 3, .seed = 7},
                      {.reason = FinishReason::kStopToken, .completion_tokens = 3, .seed = 8}};
  submission.sink->finished(finished);
}

TEST_F(GrpcStreamTest, ChoicesAreNumbered) {
  grpc::ClientContext call;
  auto two = request("two");
  two.mutable_spec()->mutable_sampling()->set_n(2);
  two.mutable_spec()->set_cache_salt("mine");
  auto stream = stub_->StreamGenerate(&call, two);
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  EXPECT_EQ(submission.request.num_choices, 2);
  EXPECT_EQ(submission.request.cache_salt, "mine");
  play_choices(submission);
  std::map<int, std::string> texts;
  v1::Finished finished;
  v1::StreamGenerateResponse message;
  while (stream->Read(&message)) {
    if (message.has_delta()) texts[message.delta().index()] += message.delta().text();
    if (message.has_finished()) finished = message.finished();
  }
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(texts, (std::map<int, std::string>{{0, "aaa"}, {1, "bbb"}}));
  EXPECT_EQ(finished.usage().cached_tokens(), 2);
  EXPECT_EQ(finished.cache().end(), v1::CACHE_END_DIVERGED);
  ASSERT_EQ(finished.choices_size(), 2);
  EXPECT_EQ(finished.choices(1).reason(), v1::FINISH_REASON_STOP_TOKEN);
  EXPECT_EQ(finished.choices(1).seed(), 8u);
}

TEST_F(GrpcStreamTest, UnaryHasAllChoices) {
  std::thread server([this] { play_choices(fake_.submission(0)); });
  grpc::ClientContext call;
  v1::GenerateRequest message;
  message.mutable_spec()->set_text("abc");
  message.mutable_spec()->mutable_sampling()->set_n(2);
  v1::GenerateResponse response;
  const auto status = stub_->Generate(&call, message, &response);
  server.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.text(), "aaa");
  ASSERT_EQ(response.more_choices_size(), 1);
  EXPECT_EQ(response.more_choices(0).index(), 1);
  EXPECT_EQ(response.more_choices(0).text(), "bbb");
}

TEST_F(GrpcStreamTest, AClientThatLeavesCancelsItsRequest) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("left"));
  ASSERT_NE(fake_.submission(0).sink, nullptr);
  call.TryCancel();
  EXPECT_TRUE(fake_.wait_cancelled("left"));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcStreamTest, AClosedConnectionCancelsItsRequest) {
  auto call = std::make_unique<grpc::ClientContext>();
  auto stub = v1::InferenceService::NewStub(channel_to(door_.address()));
  auto stream = stub->StreamGenerate(call.get(), request("gone"));
  ASSERT_NE(fake_.submission(0).sink, nullptr);
  stream.reset();
  call.reset();
  stub.reset();
  EXPECT_TRUE(fake_.wait_cancelled("gone"));
}

TEST_F(GrpcStreamTest, ADeadlineReachesTheRequestAndCancelsIt) {
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  auto stream = stub_->StreamGenerate(&call, request("late"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  // The wire rounds a timeout up, so a little more than the client's.
  EXPECT_LE(submission.request.deadline.remaining(), std::chrono::milliseconds(400));
  EXPECT_TRUE(fake_.wait_cancelled("late"));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcStreamTest, UnaryDeadlineCancelsToo) {
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::GenerateRequest message;
  *message.mutable_spec() = request("slow").spec();
  v1::GenerateResponse response;
  EXPECT_EQ(stub_->Generate(&call, message, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(fake_.wait_cancelled("slow"));
}

TEST_F(GrpcStreamTest, TheCoordinatorsTimeLimitIsDeadlineExceeded) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("limit"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  submission.sink->delta({.text = "part", .token_ids = {1}, .logprobs = {}});
  submission.sink->finished({.reason = FinishReason::kTimeLimit});
  v1::StreamGenerateResponse message;
  ASSERT_TRUE(stream->Read(&message)) << "what was generated still arrives";
  EXPECT_EQ(message.delta().text(), "part");
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcStreamTest, CancelRequestEndsTheOtherCall) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("victim"));
  ASSERT_NE(fake_.submission(0).sink, nullptr);
  grpc::ClientContext cancel_call;
  v1::CancelRequestRequest cancel;
  cancel.set_request_id("victim");
  v1::CancelRequestResponse response;
  EXPECT_TRUE(stub_->CancelRequest(&cancel_call, cancel, &response).ok());
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcStreamTest, CancelOfAnUnknownIdIsNotFound) {
  grpc::ClientContext call;
  v1::CancelRequestRequest cancel;
  cancel.set_request_id("nobody");
  v1::CancelRequestResponse response;
  const auto status = stub_->CancelRequest(&call, cancel, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  const auto resource = detail_of<google::rpc::ResourceInfo>(status);
  EXPECT_EQ(resource.resource_type(), "request");
  EXPECT_EQ(resource.resource_name(), "nobody");
}

TEST_F(GrpcStreamTest, ARefusedDuplicateDoesNotCancelTheRunningRequest) {
  grpc::ClientContext first;
  auto running = stub_->StreamGenerate(&first, request("same"));
  ASSERT_NE(fake_.submission(0).sink, nullptr);
  fake_.refuse_with(Failure{.code = FailureCode::kAlreadyExists, .message = "runs already"});
  grpc::ClientContext second;
  auto refused = stub_->StreamGenerate(&second, request("same"));
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(fake_.num_cancels(), 0u);
  first.TryCancel();
}

TEST_F(GrpcStreamTest, RefusalsCarryTheirDetails) {
  fake_.refuse_with(Failure{.code = FailureCode::kResourceExhausted,
                            .message = "the queue is full",
                            .reason = "QUEUE_FULL",
                            .metadata = {{"limit", "64"}},
                            .violations = {},
                            .retry_after = std::chrono::milliseconds(1500)});
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("full"));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "the queue is full");
  const auto info = detail_of<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.reason(), "QUEUE_FULL");
  EXPECT_EQ(info.domain(), "shoal");
  EXPECT_EQ(info.metadata().at("limit"), "64");
  EXPECT_EQ(detail_of<google::rpc::RetryInfo>(status).retry_delay().nanos(), 500'000'000);
}

TEST_F(GrpcStreamTest, BadFieldsComeAsBadRequest) {
  auto bad = request("bad");
  bad.mutable_spec()->mutable_sampling()->set_temperature(-1);
  grpc::ClientContext call;
  const auto status = stub_->StreamGenerate(&call, bad)->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto details = detail_of<google::rpc::BadRequest>(status);
  ASSERT_EQ(details.field_violations_size(), 1);
  EXPECT_EQ(details.field_violations(0).field(), "sampling.temperature");
}

TEST_F(GrpcStreamTest, AFailureKeepsWhatWasGeneratedBeforeIt) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("lost"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  submission.sink->delta({.text = "so far", .token_ids = {1}, .logprobs = {}});
  submission.sink->failed({.code = FailureCode::kUnavailable,
                           .message = "rank 2 was lost",
                           .reason = "CLUSTER_FAILED",
                           .metadata = {{"rank", "2"}}});
  v1::StreamGenerateResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.delta().text(), "so far");
  EXPECT_FALSE(stream->Read(&message));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(detail_of<google::rpc::ErrorInfo>(status).reason(), "CLUSTER_FAILED");
}

TEST_F(GrpcStreamTest, AReaderThatStallsIsEndedAndItsBufferIsBounded) {
  grpc::ClientContext call;
  auto stream = stub_->StreamGenerate(&call, request("stalled"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  // gRPC itself takes some MiB before writes stall; the client reads nothing meanwhile.
  const std::string chunk(16 << 10, 'y');
  size_t sent = 0;
  constexpr size_t kFarMoreThanGrpcHides = size_t{256} << 20;
  while (fake_.num_cancels() == 0 && sent < kFarMoreThanGrpcHides) {
    submission.sink->delta({.text = chunk, .token_ids = {1}, .logprobs = {}});
    sent += chunk.size();
  }
  EXPECT_TRUE(fake_.wait_cancelled("stalled"));
  size_t received = 0, largest = 0;
  v1::StreamGenerateResponse message;
  while (stream->Read(&message)) {
    received += message.delta().text().size();
    largest = std::max(largest, message.delta().text().size());
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_LT(received, sent);
  EXPECT_LE(largest, kMaxStreamBufferBytes + chunk.size());
}

TEST_F(GrpcStreamTest, EventsAfterTheClientLeftAreHarmless) {
  auto call = std::make_unique<grpc::ClientContext>();
  auto stream = stub_->StreamGenerate(call.get(), request("late-events"));
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  call->TryCancel();
  ASSERT_TRUE(fake_.wait_cancelled("late-events"));
  stream->Finish();
  submission.sink->delta({.text = "x", .token_ids = {1}, .logprobs = {}});
  submission.sink->failed({.code = FailureCode::kInternal, .message = "late"});
  door_.shut_down(Deadline::after(std::chrono::seconds(1)));
  submission.sink->delta({.text = "x", .token_ids = {1}, .logprobs = {}});
}

}  // namespace
}  // namespace shoal::coordinator
