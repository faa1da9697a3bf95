// The HTTP door over a coordinator that the test plays: replies, streams, errors, disconnects.
#include "runtime/coordinator/http/http_door.h"

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "runtime/base/error.h"
#include "tests/unit/coordinator/fake_request_door.h"
#include "tests/unit/coordinator/http/plain_client.h"

namespace shoal::http {
namespace {

using coordinator::FakeRequestDoor;
using Json = nlohmann::ordered_json;

class HttpDoorTest : public testing::Test {
 protected:
  void SetUp() override {
    try {
      door_ = std::make_unique<HttpDoor>(HttpDoorOptions{}, fake_, metrics_);
    } catch (const Error&) {
      GTEST_SKIP() << "this build has no HTTP library";
    }
  }

  int port() const { return door_->port(); }
  std::future<PlainReply> ask(const std::string& path, const std::string& body) {
    return std::async(std::launch::async, [=, this] { return post(port(), path, body); });
  }
  static Json json_of(const PlainReply& reply) { return Json::parse(reply.body, nullptr, false); }
  // The JSON of each event of a stream; the last must be [DONE].
  static std::vector<Json> events(const std::string& body) {
    std::vector<Json> found;
    size_t at = 0;
    bool done = false;
    while (at < body.size()) {
      const size_t end = body.find("\n\n", at);
      const std::string event = body.substr(at, end - at);
      at = end == body.npos ? body.size() : end + 2;
      EXPECT_FALSE(done) << "an event behind [DONE]: " << event;
      if (event == "data: [DONE]")
        done = true;
      else if (event.starts_with("data: "))
        found.push_back(Json::parse(event.substr(6)));
      else
        EXPECT_TRUE(event.starts_with(':')) << event;
    }
    EXPECT_TRUE(done);
    return found;
  }

  FakeRequestDoor fake_;
  coordinator::RequestMetrics metrics_;
  std::unique_ptr<HttpDoor> door_;
};

constexpr const char* kChat = R"({"messages": [{"role": "user", "content": "hi"}], "seed": 7})";

TEST_F(HttpDoorTest, Health) {
  PlainReply reply = get(port(), "/health");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, R"({"status":"ok"})");
  fake_.set_phase(coordinator::Phase::kStarting);
  reply = get(port(), "/health");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body,
            R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error",)"
            R"("progress":0.25}})");
}

TEST_F(HttpDoorTest, WholeChat) {
  auto reply = ask("/v1/chat/completions", kChat);
  play(fake_.submission(0), "Hello");
  const PlainReply got = reply.get();
  EXPECT_EQ(got.status, 200);
  const Json json = json_of(got);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["usage"]["completion_tokens"], 5);
  EXPECT_EQ(json["usage"]["prompt_tokens"].get<size_t>(),
            fake_.submission(0).request.prompt_ids.size());
  EXPECT_EQ(fake_.submission(0).request.sampling.seed, 7u);
  EXPECT_EQ(json["timings"]["prompt_ms"], 1500.0);
}

TEST_F(HttpDoorTest, StreamedChat) {
  auto reply = ask("/v1/chat/completions",
                   R"({"messages": [{"role": "user", "content": "hi"}], "stream": true,
                       "stream_options": {"include_usage": true}})");
  play(fake_.submission(0), "Hey");
  const PlainReply got = reply.get();
  EXPECT_EQ(got.header("Content-Type"), "text/event-stream");
  const auto all = events(got.body);
  ASSERT_EQ(all.size(), 5u);  // three tokens, the reason, the usage
  EXPECT_EQ(all[0]["choices"][0]["delta"], Json::parse(R"({"role":"assistant","content":"H"})"));
  EXPECT_EQ(all[1]["choices"][0]["delta"], Json::parse(R"({"content":"e"})"));
  EXPECT_EQ(all[3]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(all[3]["usage"], nullptr);
  EXPECT_TRUE(all[4]["choices"].empty());
  EXPECT_EQ(all[4]["usage"]["completion_tokens"], 3);
  for (const Json& event : all) EXPECT_EQ(event["id"], all[0]["id"]);
}

TEST_F(HttpDoorTest, ReasoningAndToolCalls) {
  const std::string body =
      R"({"messages": [{"role": "user", "content": "hi"}], "chat_template_kwargs":
          {"enable_thinking": true}, "tools": [{"type": "function", "function": {"name": "f"}}]})";
  auto reply = ask("/v1/chat/completions", body);
  play(fake_.submission(0),
       "hm\n</think>\n\n<tool_call>\n<function=f>\n<parameter=x>\n1\n</parameter>\n</function>\n"
       "</tool_call>");
  const Json choice = json_of(reply.get())["choices"][0];
  EXPECT_EQ(choice["message"]["reasoning_content"], "hm");
  EXPECT_EQ(choice["message"]["content"], nullptr);
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"],
            Json::parse(R"({"name": "f", "arguments": "{\"x\": \"1\"}"})"));

  Json streamed = Json::parse(body);
  streamed["stream"] = true;
  auto stream = ask("/v1/chat/completions", streamed.dump());
  play(fake_.submission(1), "hm</think>\n\n<tool_call><function=f></function></tool_call>");
  std::string reasoning, name, arguments, reason;
  for (const Json& event : events(stream.get().body)) {
    const Json& one = event["choices"][0];
    reasoning += one["delta"].value("reasoning_content", "");
    for (const Json& call : one["delta"].value("tool_calls", Json::array())) {
      name += call["function"].value("name", "");
      arguments += call["function"].value("arguments", "");
    }
    if (!one["finish_reason"].is_null()) reason = one["finish_reason"];
  }
  EXPECT_EQ(reasoning, "hm");
  EXPECT_EQ(name, "f");
  EXPECT_EQ(arguments, "{}");
  EXPECT_EQ(reason, "tool_calls");
}

TEST_F(HttpDoorTest, CompletionsOfSeveralPrompts) {
  auto reply = ask("/v1/completions", R"({"prompt": ["ab", "c"], "echo": true, "max_tokens": 3})");
  play(fake_.submission(1), "Y");
  play(fake_.submission(0), "X");
  const Json json = json_of(reply.get());
  ASSERT_EQ(json["choices"].size(), 2u);
  EXPECT_EQ(json["choices"][0]["text"], "abX");
  EXPECT_EQ(json["choices"][1]["text"], "cY");
  EXPECT_EQ(json["choices"][1]["index"], 1);
  EXPECT_EQ(json["usage"]["prompt_tokens"], 3);
}

TEST_F(HttpDoorTest, SeveralChoices) {
  auto reply =
      ask("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "hi"}], "n": 2})");
  const auto submission = fake_.submission(0);
  EXPECT_EQ(submission.request.num_choices, 2);
  submission.sink->delta({.index = 1, .text = "b", .token_ids = {'b'}, .logprobs = {0}});
  submission.sink->delta({.index = 0, .text = "a", .token_ids = {'a'}, .logprobs = {0}});
  coordinator::Finished finished;
  finished.choices = {{.reason = coordinator::FinishReason::kStopToken},
                      {.reason = coordinator::FinishReason::kMaxTokens}};
  submission.sink->finished(finished);
  const Json choices = json_of(reply.get())["choices"];
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0]["message"]["content"], "a");
  EXPECT_EQ(choices[1]["message"]["content"], "b");
  EXPECT_EQ(choices[0]["finish_reason"], "stop");
  EXPECT_EQ(choices[1]["finish_reason"], "length");
}

TEST_F(HttpDoorTest, EchoWithLogprobsHasOneEntryAToken) {
  auto reply = ask("/v1/completions",
                   R"({"prompt": [[97, 98, 99]], "echo": true, "logprobs": 1, "max_tokens": 1})");
  const auto submission = fake_.submission(0);
  EXPECT_EQ(submission.request.score, plan::Score::kChunk);
  EXPECT_EQ(submission.request.sampling.logprobs, 1);
  submission.sink->scored({{.position = 1, .token = 'b', .logprob = -1, .top = {{'x', -0.5f}}}});
  submission.sink->scored({{.position = 2, .token = 'c', .logprob = -2, .top = {{'c', -2}}}});
  submission.sink->delta(
      {.text = "d", .token_ids = {'d'}, .logprobs = {-3}, .top = {{{'d', -3.0f}}}});
  submission.sink->finished({});
  const Json logprobs = json_of(reply.get())["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json::parse(R"(["a", "b", "c", "d"])"));
  EXPECT_EQ(logprobs["token_logprobs"], Json::parse("[null, -1.0, -2.0, -3.0]"));
  EXPECT_EQ(logprobs["top_logprobs"],
            Json::parse(R"([null, {"x": -0.5, "b": -1.0}, {"c": -2.0}, {"d": -3.0}])"));
  EXPECT_EQ(logprobs["text_offset"], Json::parse("[0, 1, 2, 3]"));
}

TEST_F(HttpDoorTest, ALeavingClientCancels) {
  for (const bool streamed : {false, true}) {
    PlainConnection client(port());
    const std::string id = streamed ? "left-1" : "left-0";
    client.send(post_text("/v1/completions",
                          streamed ? R"({"prompt": "a", "stream": true})" : R"({"prompt": "a"})",
                          "X-Request-Id: " + id + "\r\n"));
    const auto submission = fake_.submission(streamed ? 1 : 0);
    ASSERT_NE(submission.sink, nullptr);
    if (streamed) {
      submission.sink->delta({.text = "x", .token_ids = {'x'}, .logprobs = {0}});
      client.read_until("\"text\":\"x\"");
    }
    client.close();
    EXPECT_TRUE(fake_.wait_cancelled(id)) << "streamed " << streamed;
  }
}

TEST_F(HttpDoorTest, ErrorsInOpenAisShape) {
  struct Case {
    std::string body;
    int status;
    Json param;
  };
  for (const Case& one :
       {Case{"{", 400, nullptr},
        Case{"[]", 400, nullptr},
        Case{R"({"messages": []})", 400, "messages"},
        Case{R"({"messages": [{"content": "x"}]})", 400, "messages[0].role"},
        Case{R"({"messages": [{"role": "forbidden", "content": ""}]})", 400, "chat"}}) {
    const PlainReply reply = post(port(), "/v1/chat/completions", one.body);
    EXPECT_EQ(reply.status, one.status) << one.body;
    const Json error = json_of(reply)["error"];
    EXPECT_EQ(error["type"], "invalid_request_error") << reply.body;
    EXPECT_EQ(error["param"], one.param) << reply.body;
  }
  EXPECT_EQ(get(port(), "/v1/nothing").status, 404);
  EXPECT_EQ(get(port(), "/v1/completions").status, 405);
  EXPECT_EQ(post(port(), "/health", "{}").status, 405);
  EXPECT_EQ(json_of(post(port(), "/v1/nothing", "{}"))["error"]["code"], "not_found");
}

TEST_F(HttpDoorTest, RefusalsAndFailures) {
  coordinator::Failure full;
  full.code = coordinator::FailureCode::kResourceExhausted;
  full.reason = "QUEUE_FULL";
  full.message = "the queue is full (1 waiting)";
  full.retry_after = std::chrono::milliseconds(1200);
  fake_.refuse_with(full);
  PlainReply reply = post(port(), "/v1/chat/completions", kChat);
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.header("Retry-After"), "2");
  EXPECT_EQ(json_of(reply)["error"]["code"], "queue_full");
  fake_.refuse_with(std::nullopt);

  // In a stream the status is gone already: the error is an event, and no [DONE] follows.
  auto stream = ask("/v1/completions", R"({"prompt": "a", "stream": true})");
  coordinator::Failure lost;
  lost.code = coordinator::FailureCode::kUnavailable;
  lost.message = "rank 1 was lost while the request ran";
  lost.reason = "CLUSTER_FAILED";
  fake_.submission(0).sink->failed(lost);
  const std::string body = stream.get().body;
  EXPECT_NE(body.find(R"(data: {"error":{"message":"rank 1 was lost)"), std::string::npos) << body;
  EXPECT_EQ(body.find("[DONE]"), std::string::npos);
}

TEST_F(HttpDoorTest, TokenizerAndModels) {
  EXPECT_EQ(json_of(post(port(), "/tokenize", R"({"prompt": "ab"})"))["tokens"],
            Json::parse("[97, 98]"));
  EXPECT_EQ(json_of(post(port(), "/tokenize", R"({"content": "ab"})"))["count"], 2);
  EXPECT_EQ(json_of(post(port(), "/detokenize", R"({"tokens": [97, 98]})"))["prompt"], "ab");
  EXPECT_EQ(post(port(), "/detokenize", R"({"tokens": [97, 9999]})").status, 400);
  EXPECT_EQ(json_of(get(port(), "/tokenizer_info"))["eos_token"], "<|end|>");
  EXPECT_EQ(json_of(get(port(), "/v1/models"))["data"][0]["id"], "bytes");
  EXPECT_EQ(json_of(get(port(), "/v1/models/bytes"))["max_model_len"], 4096);
  EXPECT_EQ(get(port(), "/v1/models/other").status, 404);
}

TEST_F(HttpDoorTest, KeepsAConnectionForSeveralRequests) {
  PlainConnection client(port());
  for (int i = 0; i < 3; ++i) {
    client.send(
        "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"prompt\":\"ab\"}");
    EXPECT_NE(client.read_until("token_strs").find("200 OK"), std::string::npos);
  }
}

TEST_F(HttpDoorTest, BoundsWhatAClientSends) {
  // Headers beyond 32 KiB, a body beyond 16 MiB (said, or in chunks): refused or cut off.
  EXPECT_NE(get(port(), "/health", "X: " + std::string(40 << 10, 'x') + "\r\n").status, 200);
  PlainConnection said(port());
  said.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 16777217\r\n\r\n");
  EXPECT_EQ(parse_reply(said.read_until("request_too_large")).status, 413);
  PlainConnection chunks(port());
  chunks.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(1 << 20, ' ') + "\r\n";
  for (int i = 0; i < 20; ++i) chunks.send(chunk);
  EXPECT_EQ(chunks.read_all().find("200 OK"), std::string::npos);
  EXPECT_EQ(post(port(), "/tokenize", std::string(100, '{'), "Content-Encoding: gzip\r\n").status,
            415);
  EXPECT_EQ(get(port(), "/health").status, 200);
}

TEST_F(HttpDoorTest, NamesThatLookLikePathsAreNames) {
  for (const char* name : {"../../../etc/passwd",
                           "..%2f..%2fetc%2fpasswd",
                           "%2e%2e/%2e%2e/etc/passwd",
                           "/etc/passwd",
                           "a%00b",
                           "a%0d%0aX-Made-Up:%20b"}) {
    const PlainReply reply = get(port(), std::string("/v1/models/") + name);
    EXPECT_TRUE(reply.status == 404 || reply.status == 400) << name << " " << reply.status;
    EXPECT_EQ(reply.body.find("passwd"), std::string::npos) << reply.body;
    EXPECT_EQ(reply.body.find("root:"), std::string::npos) << reply.body;
    EXPECT_EQ(reply.head.find("Made-Up"), std::string::npos) << reply.head;
  }
}

TEST_F(HttpDoorTest, OnePortIsOneServer) {
  try {
    HttpDoor second({.port = port()}, fake_, metrics_);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("choose another with --http-port"), std::string::npos);
  }
}

TEST_F(HttpDoorTest, KeysAreAskedForEverywhereButHealth) {
  HttpDoorOptions options;
  options.keys =
      std::make_shared<const access::ApiKeys>(access::ApiKeys::parse("alice 0123456789abcdef\n"));
  HttpDoor door(options, fake_, metrics_);
  EXPECT_EQ(get(door.port(), "/health").status, 200);
  for (const char* path : {"/metrics", "/v1/models", "/tokenizer_info", "/v1/nothing"})
    EXPECT_EQ(get(door.port(), path).status, 401) << path;
  const PlainReply refused = post(door.port(), "/v1/completions", R"({"prompt": "a"})");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(json_of(refused)["error"]["type"], "authentication_error");
  EXPECT_EQ(get(door.port(), "/v1/models", "Authorization: Bearer 0123456789abcdeX\r\n").status,
            401);
  EXPECT_EQ(get(door.port(), "/v1/models", "Authorization: Bearer 0123456789abcdef\r\n").status,
            200);
}

TEST_F(HttpDoorTest, ConnectionsBeyondTheLimitGetHealthOnly) {
  HttpDoorOptions options;
  options.max_connections = 1;
  HttpDoor door(options, fake_, metrics_);
  PlainConnection first(door.port());
  first.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  first.read_until("ok");
  EXPECT_EQ(get(door.port(), "/health").status, 200);
  const PlainReply reply = get(door.port(), "/v1/models");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.header("Retry-After"), "1");
}

}  // namespace
}  // namespace shoal::http
