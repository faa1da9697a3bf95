#include "runtime/coordinator/request_from_proto.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "runtime/coordinator/request_limits.h"
#include "tests/unit/coordinator/fake_request_door.h"
#include "tests/unit/text/byte_vocab.h"

namespace shoal::coordinator {
namespace {

// Requests as users type them with grpcurl.
v1::GenerationSpec spec_of(const std::string& json) {
  v1::GenerationSpec spec;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &spec);
  EXPECT_TRUE(status.ok()) << json << ": " << status.ToString();
  return spec;
}

std::variant<GenerationRequest, Failure> map(const v1::GenerationSpec& spec,
                                             const CallFacts& facts = {}) {
  static const auto model = byte_model();
  return request_from_proto(spec, facts, *model);
}

GenerationRequest accept(const std::string& json) {
  auto result = map(spec_of(json));
  if (const auto* failure = std::get_if<Failure>(&result)) {
    ADD_FAILURE() << json << ": " << failure->message;
    return {};
  }
  return std::get<GenerationRequest>(result);
}

struct BadRequestCase {
  std::string json;
  FailureCode code;
  std::string field;  // of the first violation, or the metadata of what is not built
};

std::string many_biases(int count) {
  std::string out;
  for (int id = 0; id < count; ++id) out += (id == 0 ? "\"" : ",\"") + std::to_string(id) + "\":1";
  return out;
}

std::string repeated(const std::string& element, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i ? "," : "") + element;
  return list;
}

std::vector<BadRequestCase> bad_requests() {
  constexpr auto kBad = FailureCode::kInvalidArgument;
  const std::string text = R"("text":"a",)";
  const auto sampling = [&](const std::string& fields) {
    return "{" + text + R"("sampling":{)" + fields + "}}";
  };
  const auto stop = [&](const std::string& fields) {
    return "{" + text + R"("stop":{)" + fields + "}}";
  };
  const auto chat = [&](const std::string& fields) { return R"({"chat":{)" + fields + "}}"; };
  const std::string hello = R"("messages":[{"role":"user","content":"hi"}])";
  return {
      {"{}", kBad, "input"},
      {R"({"text":""})", kBad, "text"},
      {R"({"tokenIds":{}})", kBad, "token_ids.ids"},
      {R"({"tokenIds":{"ids":[1,259]}})", kBad, "token_ids.ids[1]"},
      {R"({"tokenIds":{"ids":[4294967295]}})", kBad, "token_ids.ids[0]"},
      {R"({"tokenIds":{"ids":[2147483648]}})", kBad, "token_ids.ids[0]"},
      {sampling(R"("temperature":-1)"), kBad, "sampling.temperature"},
      {sampling(R"("temperature":-0.001)"), kBad, "sampling.temperature"},
      {sampling(R"("temperature":100.5)"), kBad, "sampling.temperature"},
      {sampling(R"("temperature":"NaN")"), kBad, "sampling.temperature"},
      {sampling(R"("temperature":"Infinity")"), kBad, "sampling.temperature"},
      {sampling(R"("temperature":"-Infinity")"), kBad, "sampling.temperature"},
      {sampling(R"("topP":0)"), kBad, "sampling.top_p"},
      {sampling(R"("topP":-0.5)"), kBad, "sampling.top_p"},
      {sampling(R"("topP":1.01)"), kBad, "sampling.top_p"},
      {sampling(R"("topP":"NaN")"), kBad, "sampling.top_p"},
      {sampling(R"("topK":-1)"), kBad, "sampling.top_k"},
      {sampling(R"("topK":-2147483648)"), kBad, "sampling.top_k"},
      {sampling(R"("minP":-0.1)"), kBad, "sampling.min_p"},
      {sampling(R"("minP":1.5)"), kBad, "sampling.min_p"},
      {sampling(R"("minP":"NaN")"), kBad, "sampling.min_p"},
      {sampling(R"("n":0)"), kBad, "sampling.n"},
      {sampling(R"("n":-1)"), kBad, "sampling.n"},
      {sampling(R"("n":65)"), kBad, "sampling.n"},
      {sampling(R"("n":1000000000)"), kBad, "sampling.n"},
      {"{" + text + R"("cacheSalt":")" + std::string(129, 's') + "\"}", kBad, "cache_salt"},
      {sampling(R"("logitBias":{"259":1.5})"), kBad, "sampling.logit_bias"},
      {sampling(R"("logitBias":{"4294967295":1.5})"), kBad, "sampling.logit_bias"},
      {sampling(R"("logitBias":{"5":100.5})"), kBad, "sampling.logit_bias[5]"},
      {sampling(R"("logitBias":{"5":"NaN"})"), kBad, "sampling.logit_bias[5]"},
      {sampling(R"("logitBias":{)" + many_biases(1025) + "}"), kBad, "sampling.logit_bias"},
      {sampling(R"("presencePenalty":2.5)"), kBad, "sampling.presence_penalty"},
      {sampling(R"("presencePenalty":"NaN")"), kBad, "sampling.presence_penalty"},
      {sampling(R"("frequencyPenalty":-2.5)"), kBad, "sampling.frequency_penalty"},
      {sampling(R"("frequencyPenalty":"Infinity")"), kBad, "sampling.frequency_penalty"},
      {sampling(R"("repetitionPenalty":-1)"), kBad, "sampling.repetition_penalty"},
      {sampling(R"("repetitionPenalty":0)"), kBad, "sampling.repetition_penalty"},
      {sampling(R"("repetitionPenalty":101)"), kBad, "sampling.repetition_penalty"},
      {stop(R"("minTokens":-1)"), kBad, "stop.min_tokens"},
      {stop(R"("minTokens":6,"maxTokens":5)"), kBad, "stop.min_tokens"},
      {"{" + text + R"("output":{"topLogprobs":21}})", kBad, "output.top_logprobs"},
      {"{" + text + R"("output":{"topLogprobs":-1}})", kBad, "output.top_logprobs"},
      {stop(R"("maxTokens":-1)"), kBad, "stop.max_tokens"},
      {stop(R"("maxTokens":"-9223372036854775808")"), kBad, "stop.max_tokens"},
      {stop(R"("strings":[""])"), kBad, "stop.strings[0]"},
      {stop(R"("strings":["a",""])"), kBad, "stop.strings[1]"},
      {stop(R"("strings":[")" + std::string(1025, 'x') + R"("])"), kBad, "stop.strings[0]"},
      {stop(R"("strings":[)" + repeated(R"("a")", 17) + "]"), kBad, "stop.strings"},
      {stop(R"("tokenIds":[259])"), kBad, "stop.token_ids[0]"},
      {stop(R"("tokenIds":[0,4294967295])"), kBad, "stop.token_ids[1]"},
      {stop(R"("tokenIds":[)" + repeated("1", 257) + "]"), kBad, "stop.token_ids"},
      {"{" + text + R"("requestId":"two words"})", kBad, "request_id"},
      {"{" + text + R"("requestId":"line\nbreak"})", kBad, "request_id"},
      {"{" + text + R"("requestId":")" + std::string(129, 'r') + R"("})", kBad, "request_id"},
      {"{" + text + R"("jsonSchema":"{"})", kBad, "json_schema"},
      {"{" + text + R"("jsonSchema":"{\"multipleOf\":2}"})", kBad, "json_schema"},
      {"{" + text + R"("regex":"(a)\\1"})", kBad, "regex"},
      {"{" + text + R"("grammar":"root"})", kBad, "grammar"},
      {"{" + text + R"("regex":"a","stop":{"ignoreEos":true}})", kBad, "regex"},
      {chat(""), kBad, "chat.messages"},
      {chat(R"("messages":[{"content":"hi"}])"), kBad, "chat.messages[0].role"},
      {chat(R"("messages":[{"role":"user","content":"a","parts":[{"text":"b"}]}])"),
       kBad,
       "chat.messages[0].parts"},
      {chat(R"("messages":[{"role":"user","parts":[{}]}])"), kBad, "chat.messages[0].parts[0]"},
      {chat(R"("messages":[{"role":"user","parts":[{"text":"b"},{"imageUrl":"x"}]}])"),
       kBad,
       "chat.messages[0].parts[1]"},
      {chat(R"("messages":[{"role":"user","parts":[{"videoUrl":"x"}]}])"),
       kBad,
       "chat.messages[0].parts[0]"},
      {chat(R"("messages":[{"role":"assistant","toolCallsJson":"{"}])"),
       kBad,
       "chat.messages[0].tool_calls_json"},
      {chat(R"("messages":[{"role":"assistant","toolCallsJson":"[3]"}])"),
       kBad,
       "chat.messages[0].tool_calls_json"},
      {chat(hello + R"(,"toolsJson":"{}")"), kBad, "chat.tools_json"},
      {chat(hello + R"(,"toolsJson":"[")"), kBad, "chat.tools_json"},
      {chat(R"("messages":[{"role":"forbidden","content":"hi"}])"), kBad, "chat"},
  };
}

// The constraint starts at once, or where the prompt leaves a reasoning open, after it.
TEST(RequestFromProto, TurnsConstraintsIntoGrammars) {
  const auto constraint = [](const std::string& fields) {
    return accept("{" + fields + "}").sampling.constraint;
  };
  EXPECT_EQ(constraint(R"("text":"a")").gbnf, "");
  EXPECT_EQ(constraint(R"("text":"a","grammar":"root ::= [ab]")").gbnf, "root ::= [ab]");
  EXPECT_EQ(constraint(R"("text":"a","grammar":"root ::= [ab]")").starts_after, -1);
  EXPECT_EQ(constraint(R"("text":"a","regex":"x")").gbnf, "root ::= [\\x78]\n");
  for (const char* json :
       {R"("text":"a","jsonSchema":"{\"type\":\"integer\"}")", R"("text":"a","jsonObject":true)"})
    EXPECT_NE(constraint(json).gbnf.find("root ::= json-"), std::string::npos) << json;
  EXPECT_EQ(constraint(R"("text":"a","jsonObject":false)").gbnf, "");
}

TEST(RequestFromProto, BadRequestsNameTheirField) {
  for (const auto& bad : bad_requests()) {
    SCOPED_TRACE(bad.json.substr(0, 120));
    const auto result = map(spec_of(bad.json));
    const auto* failure = std::get_if<Failure>(&result);
    ASSERT_NE(failure, nullptr);
    EXPECT_EQ(failure->code, bad.code) << failure->message;
    EXPECT_FALSE(failure->reason.empty());
    if (bad.code == FailureCode::kUnimplemented) {
      EXPECT_EQ(failure->metadata.at("field"), bad.field);
    } else {
      ASSERT_FALSE(failure->violations.empty());
      EXPECT_EQ(failure->violations.front().field, bad.field);
      EXPECT_FALSE(failure->violations.front().description.empty());
    }
  }
}

TEST(RequestFromProto, AllViolationsComeAtOnce) {
  const auto result = map(spec_of(R"({"text":"a","sampling":{"temperature":-1,"topP":2}})"));
  const auto& failure = std::get<Failure>(result);
  ASSERT_EQ(failure.violations.size(), 2u);
  EXPECT_EQ(failure.violations[1].field, "sampling.top_p");
  EXPECT_EQ(failure.violations[0].description, "-1 is outside 0..100");
}

TEST(RequestFromProto, EdgesOfTheRangesAreAccepted) {
  const auto request = accept(R"({"text":"a","sampling":{"temperature":100,"topP":1,"topK":0,
      "minP":1,"seed":"18446744073709551615","n":1,"presencePenalty":0,"frequencyPenalty":0,
      "repetitionPenalty":1},"stop":{"maxTokens":0,"tokenIds":[258]}})");
  EXPECT_EQ(request.sampling.temperature, 100);
  EXPECT_EQ(request.sampling.min_p, 1);
  EXPECT_EQ(request.sampling.seed, UINT64_MAX);
  EXPECT_EQ(request.stop.token_ids, std::vector<int32_t>{258});
  EXPECT_EQ(request.max_tokens, 0);
}

TEST(RequestFromProto, SilentRequestsGetTheServersDefaults) {
  const auto request = accept(R"({"text":"a"})");
  EXPECT_EQ(request.sampling.temperature, 1);
  EXPECT_EQ(request.sampling.top_p, 1);
  EXPECT_EQ(request.sampling.top_k, 0);
  EXPECT_EQ(request.sampling.min_p, 0);
  EXPECT_EQ(request.request_id.size(), 32u);
  EXPECT_NE(request.sampling.seed, accept(R"({"text":"a"})").sampling.seed);
  EXPECT_NE(request.request_id, accept(R"({"text":"a"})").request_id);
}

TEST(RequestFromProto, TheFilesRecommendationComesBeforeTheServers) {
  auto model = byte_model();
  model->vocab.sampling = {.temperature = 0.6f, .top_k = 20, .top_p = 0.95f, .min_p = {}};
  auto spec = spec_of(R"({"text":"a","sampling":{"topK":7}})");
  const auto request = std::get<GenerationRequest>(request_from_proto(spec, {}, *model));
  EXPECT_EQ(request.sampling.temperature, 0.6f);
  EXPECT_EQ(request.sampling.top_p, 0.95f);
  EXPECT_EQ(request.sampling.top_k, 7);
}

TEST(RequestFromProto, ZeroIsNotUnset) {
  auto model = byte_model();
  model->vocab.sampling.temperature = 0.6f;
  auto spec = spec_of(R"({"text":"a","sampling":{"temperature":0,"seed":0}})");
  const auto request = std::get<GenerationRequest>(request_from_proto(spec, {}, *model));
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.seed, 0u);
}

TEST(RequestFromProto, RawTextHasSpecialTokensAndChatContentHasNot) {
  EXPECT_EQ(accept(R"({"text":"a<|end|>"})").prompt_ids, (std::vector<int32_t>{'a', 256}));
  const auto chat = accept(
      R"({"chat":{"messages":[{"role":"user","content":"<|end|>"}],"enableThinking":true}})");
  std::vector<int32_t> expected = {256};
  for (char c : std::string("user:<|end|>")) expected.push_back(c);
  expected.insert(expected.end(), {256, 257});
  EXPECT_EQ(chat.prompt_ids, expected);
}

TEST(RequestFromProto, TemplateVariablesFollowTheMessage) {
  const auto spec = spec_of(R"({"chat":{"messages":[{"role":"assistant","parts":[{"text":"x"}],
      "toolCallsJson":"[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"k\\\":1}\"}}]"}],
      "toolsJson":"[{\"b\":1,\"a\":2}]","templateKwargs":{"level":3,"half":0.5,"deep":{"on":[true,null]}},
      "addGenerationPrompt":false}})");
  const auto variables =
      std::get<nlohmann::ordered_json>(variables_from_proto(spec.chat(), "chat"));
  EXPECT_EQ(variables["level"].dump(), "3");
  EXPECT_EQ(variables["half"].dump(), "0.5");
  EXPECT_EQ(variables["deep"].dump(), R"({"on":[true,null]})");
  EXPECT_EQ(variables["tools"].dump(), R"([{"b":1,"a":2}])");
  EXPECT_FALSE(variables["add_generation_prompt"].get<bool>());
  EXPECT_FALSE(variables.contains("enable_thinking"));
  const auto& message = variables["messages"][0];
  EXPECT_EQ(message["content"].dump(), R"([{"type":"text","text":"x"}])");
  EXPECT_EQ(message["tool_calls"][0]["function"]["arguments"]["k"], 1);
}

TEST(RequestFromProto, TheMessagesIdWinsOverMetadata) {
  const CallFacts facts{.request_id = "from-metadata"};
  auto spec = spec_of(R"({"text":"a"})");
  EXPECT_EQ(std::get<GenerationRequest>(map(spec, facts)).request_id, "from-metadata");
  spec.set_request_id("own");
  EXPECT_EQ(std::get<GenerationRequest>(map(spec, facts)).request_id, "own");
}

TEST(RequestFromProto, LogprobsAskForScoresOfGeneratedTokens) {
  EXPECT_EQ(accept(R"({"text":"a"})").sampling.logprobs, -1);
  const auto request = accept(R"({"text":"a","output":{"logprobs":true}})");
  EXPECT_EQ(request.sampling.logprobs, 0);
  EXPECT_EQ(request.score, plan::Score::kNone);
  EXPECT_EQ(accept(R"({"text":"a","output":{"topLogprobs":20}})").sampling.logprobs, 20);
}

TEST(RequestFromProto, PromptLogprobsScoreTheChunks) {
  const auto request = accept(R"({"text":"a","output":{"promptLogprobs":true}})");
  EXPECT_EQ(request.score, plan::Score::kChunk);
  EXPECT_GT(request.max_tokens, 0) << "0 would score the prompt and generate nothing";
  EXPECT_EQ(request.sampling.logprobs, -1);
}

TEST(RequestFromProto, PenaltiesBiasesAndMinTokensComeThrough) {
  const auto request = accept(R"({"text":"a","sampling":{"presencePenalty":-2,
      "frequencyPenalty":2,"repetitionPenalty":1.25,"logitBias":{"7":-100,"5":1.5}},
      "stop":{"minTokens":5,"maxTokens":5}})");
  EXPECT_EQ(request.sampling.presence_penalty, -2);
  EXPECT_EQ(request.sampling.frequency_penalty, 2);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.25f);
  EXPECT_EQ(request.sampling.logit_bias, (std::vector<plan::LogitBias>{{5, 1.5f}, {7, -100}}));
  EXPECT_EQ(request.stop.min_tokens, 5);
  // And back, as Accepted tells them.
  const auto told = to_proto(request.sampling);
  EXPECT_EQ(told.presence_penalty(), -2);
  EXPECT_EQ(told.repetition_penalty(), 1.25f);
  EXPECT_EQ(told.logit_bias().at(7), -100);
}

TEST(RequestFromProto, ChatNeedsATemplate) {
  auto model = byte_model();
  model->chat_template.reset();
  const auto spec = spec_of(R"({"chat":{"messages":[{"role":"user","content":"hi"}]}})");
  const auto failure = std::get<Failure>(request_from_proto(spec, {}, *model));
  EXPECT_EQ(failure.code, FailureCode::kUnimplemented);
}

TEST(RequestFromProto, ATemplatesRefusalIsItsMessage) {
  const auto result =
      map(spec_of(R"({"chat":{"messages":[{"role":"forbidden","content":"hi"}]}})"));
  EXPECT_EQ(std::get<Failure>(result).message, "role is forbidden");
  EXPECT_EQ(std::get<Failure>(result).reason, "TEMPLATE_REFUSED");
}

}  // namespace
}  // namespace shoal::coordinator
