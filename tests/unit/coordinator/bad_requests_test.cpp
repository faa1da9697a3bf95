// Sixty bad requests over a real connection: each gets the right code and names the field that is
// wrong, and none of the answers says a path, an address or a host.
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <regex>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "runtime/coordinator/grpc_door.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

constexpr auto kBad = grpc::StatusCode::INVALID_ARGUMENT;

struct BadSpec {
  std::string spec;   // JSON of GenerationSpec; a text input is added where it has none
  std::string field;  // the path of the first violation
  grpc::StatusCode code = kBad;
};

std::string repeated(const std::string& item, int times) {
  std::string list = "[";
  for (int i = 0; i < times; ++i) list += (i == 0 ? "" : ",") + item;
  return list + "]";
}

std::vector<BadSpec> bad_specs() {
  const std::string message = R"({"chat": {"messages": [{"role": "user", "content": "x"}], )";
  return {
      {R"({"text": ""})", "text"},
      {R"({"token_ids": {}})", "token_ids.ids"},
      {R"({"token_ids": {"ids": [259]}})", "token_ids.ids[0]"},
      {R"({"token_ids": {"ids": [1, 2, 4294967295]}})", "token_ids.ids[2]"},
      {R"({"chat": {}})", "chat.messages"},
      {R"({"chat": {"messages": [{"content": "x"}]}})", "chat.messages[0].role"},
      {R"({"chat": {"messages": [{"role": "user"}, {"content": "x"}]}})", "chat.messages[1].role"},
      {R"({"chat": {"messages": [{"role": "u", "content": "x", "parts": [{"text": "y"}]}]}})",
       "chat.messages[0].parts"},
      {R"({"chat": {"messages": [{"role": "u", "parts": [{}]}]}})", "chat.messages[0].parts[0]"},
      {R"({"chat": {"messages": [{"role": "u", "parts": [{"image_url": "http://h/x"}]}]}})",
       "chat.messages[0].parts[0]"},
      {R"({"chat": {"messages": [{"role": "u", "parts": [{"text": "a"}, {"video_url": "x"}]}]}})",
       "chat.messages[0].parts[1]"},
      {R"({"chat": {"messages": [{"role": "a", "tool_calls_json": "{"}]}})",
       "chat.messages[0].tool_calls_json"},
      {R"({"chat": {"messages": [{"role": "a", "tool_calls_json": "{}"}]}})",
       "chat.messages[0].tool_calls_json"},
      {R"({"chat": {"messages": [{"role": "a", "tool_calls_json": "[3]"}]}})",
       "chat.messages[0].tool_calls_json"},
      {message + R"("tools_json": "x"}})", "chat.tools_json"},
      {message + R"("tools_json": "{}"}})", "chat.tools_json"},
      {R"({"chat": {"messages": [{"role": "forbidden", "content": "x"}]}})", "chat"},
      {R"({"sampling": {"temperature": -0.1}})", "sampling.temperature"},
      {R"({"sampling": {"temperature": 100.5}})", "sampling.temperature"},
      {R"({"sampling": {"temperature": "NaN"}})", "sampling.temperature"},
      {R"({"sampling": {"temperature": "Infinity"}})", "sampling.temperature"},
      {R"({"sampling": {"top_p": 0}})", "sampling.top_p"},
      {R"({"sampling": {"top_p": 1.1}})", "sampling.top_p"},
      {R"({"sampling": {"top_p": "NaN"}})", "sampling.top_p"},
      {R"({"sampling": {"top_k": -1}})", "sampling.top_k"},
      {R"({"sampling": {"min_p": -0.1}})", "sampling.min_p"},
      {R"({"sampling": {"min_p": 1.5}})", "sampling.min_p"},
      {R"({"sampling": {"min_p": "NaN"}})", "sampling.min_p"},
      {R"({"sampling": {"presence_penalty": 2.1}})", "sampling.presence_penalty"},
      {R"({"sampling": {"presence_penalty": -2.1}})", "sampling.presence_penalty"},
      {R"({"sampling": {"presence_penalty": "NaN"}})", "sampling.presence_penalty"},
      {R"({"sampling": {"frequency_penalty": 3}})", "sampling.frequency_penalty"},
      {R"({"sampling": {"frequency_penalty": "-Infinity"}})", "sampling.frequency_penalty"},
      {R"({"sampling": {"repetition_penalty": 0}})", "sampling.repetition_penalty"},
      {R"({"sampling": {"repetition_penalty": -1}})", "sampling.repetition_penalty"},
      {R"({"sampling": {"repetition_penalty": 101}})", "sampling.repetition_penalty"},
      {R"({"sampling": {"logit_bias": {"259": 1}}})", "sampling.logit_bias"},
      {R"({"sampling": {"logit_bias": {"4294967295": 1}}})", "sampling.logit_bias"},
      {R"({"sampling": {"logit_bias": {"7": 101}}})", "sampling.logit_bias[7]"},
      {R"({"sampling": {"logit_bias": {"7": "NaN"}}})", "sampling.logit_bias[7]"},
      {R"({"sampling": {"n": 0}})", "sampling.n"},
      {R"({"sampling": {"n": -3}})", "sampling.n"},
      {R"({"stop": {"strings": )" + repeated(R"("x")", 17) + "}}", "stop.strings"},
      {R"({"stop": {"strings": [""]}})", "stop.strings[0]"},
      {R"({"stop": {"strings": ["a", ""]}})", "stop.strings[1]"},
      {R"({"stop": {"strings": [")" + std::string(1025, 'x') + R"("]}})", "stop.strings[0]"},
      {R"({"stop": {"token_ids": [259]}})", "stop.token_ids[0]"},
      {R"({"stop": {"token_ids": [4294967295]}})", "stop.token_ids[0]"},
      {R"({"stop": {"token_ids": )" + repeated("1", 257) + "}}", "stop.token_ids"},
      {R"({"stop": {"max_tokens": -1}})", "stop.max_tokens"},
      {R"({"stop": {"max_tokens": "-9223372036854775808"}})", "stop.max_tokens"},
      {R"({"stop": {"min_tokens": -1}})", "stop.min_tokens"},
      {R"({"stop": {"min_tokens": 5, "max_tokens": 4}})", "stop.min_tokens"},
      {R"({"output": {"top_logprobs": 21}})", "output.top_logprobs"},
      {R"({"output": {"top_logprobs": -1}})", "output.top_logprobs"},
      {R"({"request_id": ")" + std::string(129, 'x') + R"("})", "request_id"},
      {R"({"request_id": "a b"})", "request_id"},
      {R"({"request_id": "a\u001b[31m"})", "request_id"},
      {R"({"request_id": "\u00e4"})", "request_id"},
      {R"({"request_id": "../../etc/passwd\n"})", "request_id"},
  };
}

TEST(BadRequests, AreNamedAndSayNothingOfTheServer) {
  SocketFolder folder;
  FakeRequestDoor fake;
  GrpcDoor door({.address = folder.address()}, fake);
  const auto stub = v1::InferenceService::NewStub(channel_to(door.address()));
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  // A path has two names; a pointer has 0x.
  const std::regex leak(R"(/[A-Za-z_]+/[A-Za-z_.]+|0x[0-9a-f]{4,}|127\.0\.0\.1)");

  const auto specs = bad_specs();
  EXPECT_GE(specs.size(), 60u);
  for (const BadSpec& bad : specs) {
    v1::GenerateRequest request;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(bad.spec, request.mutable_spec()).ok())
        << bad.spec;
    if (request.spec().input_case() == v1::GenerationSpec::INPUT_NOT_SET)
      request.mutable_spec()->set_text("x");
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::GenerateResponse response;
    const grpc::Status status = stub->Generate(&call, request, &response);
    const std::string name = bad.spec.substr(0, 120);
    EXPECT_EQ(status.error_code(), bad.code) << name << ": " << status.error_message();
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details())) << name;
    std::string field;
    for (const auto& detail : details.details()) {
      google::rpc::BadRequest violations;
      if (detail.UnpackTo(&violations) && violations.field_violations_size() > 0)
        field = violations.field_violations(0).field();
    }
    EXPECT_EQ(field, bad.field) << name;
    const std::string said = status.error_message() + details.DebugString();
    EXPECT_FALSE(std::regex_search(said, leak)) << said;
    EXPECT_TRUE(std::string(host).size() < 4 || said.find(host) == said.npos) << said;
    EXPECT_EQ(said.find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace shoal::coordinator
