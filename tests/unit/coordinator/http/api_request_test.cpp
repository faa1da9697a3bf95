// Bodies as OpenAI's clients send them, mapped field by field; what is wrong is named.
#include "runtime/coordinator/http/api_request.h"

#include <gtest/gtest.h>

#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::http {
namespace {

using coordinator::Failure;

std::unique_ptr<coordinator::ServedModel> model = coordinator::byte_model();

ApiRequest completion(const std::string& body) {
  auto request = completion_request(Json::parse(body), "id", *model);
  if (const auto* failure = std::get_if<Failure>(&request)) {
    ADD_FAILURE() << failure->message;
    return {};
  }
  return std::get<ApiRequest>(request);
}

ApiRequest chat(const std::string& body) {
  auto request = chat_request(Json::parse(body), "id", *model);
  if (const auto* failure = std::get_if<Failure>(&request)) {
    ADD_FAILURE() << failure->message;
    return {};
  }
  return std::get<ApiRequest>(request);
}

TEST(CompletionRequest, ReadsEveryField) {
  const auto request = completion(
      R"({"model": "any", "prompt": "ab", "max_tokens": 5, "temperature": 0.5, "top_p": 0.9,
          "top_k": 7, "min_p": 0.1, "seed": 11, "stop": ["x", "yz"], "stop_token_ids": [3],
          "ignore_eos": true, "min_tokens": 2, "presence_penalty": 1, "frequency_penalty": -0.5,
          "repetition_penalty": 1.25, "logit_bias": {"98": -3, "97": 2.5}, "logprobs": 4,
          "stream": true, "stream_options": {"include_usage": true}, "user": "u",
          "made_up": 1})");
  ASSERT_EQ(request.prompts.size(), 1u);
  const auto& prompt = request.prompts[0];
  EXPECT_EQ(prompt.request_id, "id");
  EXPECT_EQ(prompt.prompt_ids, (std::vector<int32_t>{'a', 'b'}));
  EXPECT_EQ(prompt.max_tokens, 5);
  EXPECT_EQ(prompt.sampling.temperature, 0.5f);
  EXPECT_EQ(prompt.sampling.top_p, 0.9f);
  EXPECT_EQ(prompt.sampling.top_k, 7);
  EXPECT_EQ(prompt.sampling.min_p, 0.1f);
  EXPECT_EQ(prompt.sampling.seed, 11u);
  EXPECT_EQ(prompt.sampling.presence_penalty, 1);
  EXPECT_EQ(prompt.sampling.frequency_penalty, -0.5f);
  EXPECT_EQ(prompt.sampling.repetition_penalty, 1.25f);
  EXPECT_EQ(prompt.sampling.logit_bias, (std::vector<plan::LogitBias>{{97, 2.5f}, {98, -3}}));
  EXPECT_EQ(prompt.sampling.logprobs, 4);
  EXPECT_EQ(prompt.stop.strings, (std::vector<std::string>{"x", "yz"}));
  EXPECT_EQ(prompt.stop.token_ids, (std::vector<int32_t>{3}));
  EXPECT_EQ(prompt.stop.min_tokens, 2);
  EXPECT_TRUE(prompt.stop.ignore_eos);
  EXPECT_TRUE(request.stream && request.include_usage && request.logprobs);
  EXPECT_EQ(request.unknown_fields, (std::vector<std::string>{"made_up"}));
}

TEST(CompletionRequest, TakesEveryFormOfPrompt) {
  EXPECT_EQ(completion(R"({"prompt": [97, 98]})").prompts[0].prompt_ids.size(), 2u);
  EXPECT_EQ(completion(R"({"prompt": ["a", "bc"]})").prompts.size(), 2u);
  const auto lists = completion(R"({"prompt": [[97], [98, 99]]})");
  EXPECT_EQ(lists.prompts[1].prompt_ids, (std::vector<int32_t>{98, 99}));
  EXPECT_EQ(lists.prompts[1].request_id, "id-1");
  // In a raw prompt special tokens are recognised.
  EXPECT_EQ(completion(R"({"prompt": "<|end|>"})").prompts[0].prompt_ids,
            (std::vector<int32_t>{256}));
  EXPECT_EQ(completion(R"({"prompt": "a"})").prompts[0].max_tokens, 16);
  EXPECT_EQ(completion(R"({"prompt": "a", "stop": null, "logprobs": null, "n": 1})").logprobs,
            false);
}

TEST(ChatRequest, ReadsLengthThinkingAndParts) {
  auto request = chat(
      R"({"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 9, "max_tokens": 3})");
  EXPECT_EQ(request.prompts[0].max_tokens, 9);
  EXPECT_FALSE(request.answer.starts_in_reasoning);
  EXPECT_FALSE(request.answer.parse_calls);
  EXPECT_TRUE(chat(R"({"messages": [{"role": "user", "content": "x"}], "enable_thinking": true})")
                  .answer.starts_in_reasoning);
  EXPECT_TRUE(chat(R"({"messages": [{"role": "user", "content": "x"}],
                       "tools": [{"type": "function", "function": {"name": "f"}}]})")
                  .answer.parse_calls);
  EXPECT_FALSE(chat(R"({"messages": [{"role": "user", "content": "x"}], "tool_choice": "none",
                        "tools": [{"type": "function", "function": {"name": "f"}}]})")
                   .answer.parse_calls);
  // Characters of a message never become special tokens.
  const auto ids = chat(R"({"messages": [{"role": "user", "content": "<|end|>"}]})");
  EXPECT_EQ(std::count(ids.prompts[0].prompt_ids.begin(), ids.prompts[0].prompt_ids.end(), 256), 2);
}

struct Bad {
  const char* body;
  const char* field;  // named in the message
};

std::ostream& operator<<(std::ostream& out, const Bad& bad) { return out << bad.body; }

class BadCompletion : public testing::TestWithParam<Bad> {};
TEST_P(BadCompletion, IsNamed) {
  const auto request = completion_request(Json::parse(GetParam().body), "", *model);
  ASSERT_TRUE(std::holds_alternative<Failure>(request));
  const auto& failure = std::get<Failure>(request);
  EXPECT_TRUE(failure.code == coordinator::FailureCode::kInvalidArgument ||
              failure.code == coordinator::FailureCode::kUnimplemented);
  EXPECT_NE(failure.message.find(GetParam().field), std::string::npos) << failure.message;
}
INSTANTIATE_TEST_SUITE_P(
    Bodies,
    BadCompletion,
    testing::Values(Bad{R"({})", "prompt"},
                    Bad{R"({"prompt": 3})", "prompt"},
                    Bad{R"({"prompt": []})", "prompt"},
                    Bad{R"({"prompt": ""})", "prompt"},
                    Bad{R"({"prompt": [97, "a"]})", "prompt"},
                    Bad{R"({"prompt": ["a", 97]})", "prompt[1]"},
                    Bad{R"({"prompt": [[97], []]})", "prompt[1]"},
                    Bad{R"({"prompt": [-1]})", "prompt"},
                    Bad{R"({"prompt": [4294967297]})", "prompt"},
                    Bad{R"({"prompt": [99999]})", "prompt"},
                    Bad{R"({"prompt": "a", "max_tokens": -1})", "max_tokens"},
                    Bad{R"({"prompt": "a", "max_tokens": 0})", "max_tokens"},
                    Bad{R"({"prompt": "a", "max_tokens": "5"})", "max_tokens"},
                    Bad{R"({"prompt": "a", "max_tokens": 1.5})", "max_tokens"},
                    Bad{R"({"prompt": "a", "temperature": -1})", "temperature"},
                    Bad{R"({"prompt": "a", "temperature": "hot"})", "temperature"},
                    Bad{R"({"prompt": "a", "top_p": 0})", "top_p"},
                    Bad{R"({"prompt": "a", "top_k": -2})", "top_k"},
                    Bad{R"({"prompt": "a", "min_p": 2})", "min_p"},
                    Bad{R"({"prompt": "a", "presence_penalty": 3})", "presence_penalty"},
                    Bad{R"({"prompt": "a", "logit_bias": {"x": 1}})", "logit_bias"},
                    Bad{R"({"prompt": "a", "logit_bias": {"9999": 1}})", "logit_bias"},
                    Bad{R"({"prompt": "a", "logprobs": 21})", "logprobs"},
                    Bad{R"({"prompt": "a", "logprobs": true})", "logprobs"},
                    Bad{R"({"prompt": "a", "stop": 3})", "stop"},
                    Bad{R"({"prompt": "a", "stop": [""]})", "stop"},
                    Bad{R"({"prompt": "a", "stop_token_ids": [-5]})", "stop"},
                    Bad{R"({"prompt": "a", "stream": 1})", "stream"},
                    Bad{R"({"prompt": "a", "stream_options": []})", "stream_options"},
                    Bad{R"({"prompt": "a", "best_of": 2})", "best_of"},
                    Bad{R"({"prompt": "a", "suffix": "b"})", "suffix"},
                    Bad{R"({"prompt": "a", "use_beam_search": true})", "use_beam_search"}));

class BadChat : public testing::TestWithParam<Bad> {};
TEST_P(BadChat, IsNamed) {
  Json body = Json::parse(GetParam().body);
  if (!body.contains("messages")) body["messages"] = {{{"role", "user"}, {"content", "x"}}};
  const auto request = chat_request(body, "", *model);
  ASSERT_TRUE(std::holds_alternative<Failure>(request));
  const auto& message = std::get<Failure>(request).message;
  EXPECT_NE(message.find(GetParam().field), std::string::npos) << message;
}
INSTANTIATE_TEST_SUITE_P(
    Bodies,
    BadChat,
    testing::Values(
        Bad{R"({"messages": {}})", "messages"},
        Bad{R"({"messages": ["x"]})", "messages[0]"},
        Bad{R"({"messages": [{"role": "user", "content": 3}]})", "messages[0].content"},
        Bad{R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url":
                {"url": "data:"}}]}]})",
            "messages[0].content[0]: this server takes text only"},
        Bad{R"({"messages": [{"role": "assistant", "tool_calls": "x"}]})",
            "messages[0].tool_calls"},
        Bad{R"({"messages": [{"role": "forbidden", "content": "x"}]})", "role is forbidden"},
        Bad{R"({"max_tokens": 0})", "max_tokens"},
        Bad{R"({"tools": {}})", "tools"},
        Bad{R"({"tools": ["f"]})", "tools"},
        Bad{R"({"tool_choice": "required"})", "tool_choice"},
        Bad{R"({"tool_choice": {"type": "function", "function": {"name": "f"}}})", "tool_choice"},
        Bad{R"({"functions": [{"name": "f"}]})", "functions"},
        Bad{R"({"parallel_tool_calls": false})", "parallel_tool_calls"},
        Bad{R"({"top_logprobs": 2})", "top_logprobs"},
        Bad{R"({"logprobs": 2})", "logprobs"},
        Bad{R"({"chat_template": "x"})", "chat_template"},
        Bad{R"({"chat_template_kwargs": 1})", "chat_template_kwargs"},
        Bad{R"({"modalities": ["text", "audio"]})", "modalities"},
        Bad{R"({"continue_final_message": true})", "continue_final_message"}));

TEST(ParseBody, BoundsDepthAndMembers) {
  const std::string deep = R"({"a": )" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_TRUE(std::holds_alternative<Failure>(parse_body(deep)));
  std::string wide = "{";
  for (int i = 0; i < 30000; ++i) wide += "\"" + std::to_string(i) + "\": 0,";
  wide.back() = '}';
  EXPECT_TRUE(std::holds_alternative<Failure>(parse_body(wide)));
  EXPECT_TRUE(std::holds_alternative<Failure>(parse_body("{\"a\": \"\xff\"}")));
  EXPECT_TRUE(std::holds_alternative<Json>(parse_body(R"({"a": "[[[[:::"})")));
}

}  // namespace
}  // namespace shoal::http
