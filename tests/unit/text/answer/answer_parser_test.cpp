// Expected cuts are written down by hand, from the forms that the templates of the family print.
#include "runtime/text/answer/answer_parser.h"

#include <gtest/gtest.h>

#include "runtime/text/answer/answer_markers.h"
#include "tests/unit/text/byte_vocab.h"

namespace shoal::answer {
namespace {

using Json = nlohmann::ordered_json;

struct Call {
  std::string name, arguments;
  bool operator==(const Call&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Call& call) {
  return out << call.name << call.arguments;
}

struct Answer {
  std::string reasoning, content;
  std::vector<Call> calls;
  bool operator==(const Answer&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << "reasoning " << testing::PrintToString(answer.reasoning) << ", content "
             << testing::PrintToString(answer.content) << ", calls "
             << testing::PrintToString(answer.calls);
}

void add(Answer& answer, const AnswerDelta& delta) {
  answer.reasoning += delta.reasoning;
  answer.content += delta.content;
  for (const CallDelta& call : delta.calls) {
    if (!call.name.empty()) {
      EXPECT_EQ(call.index, answer.calls.size());
      answer.calls.push_back({call.name, ""});
    }
    ASSERT_LT(call.index, answer.calls.size());
    answer.calls[call.index].arguments += call.arguments;
  }
}

Answer parse(const std::string& text, const AnswerOptions& options, size_t piece) {
  AnswerParser parser(options);
  Answer answer;
  for (size_t at = 0; at < text.size(); at += piece)
    add(answer, parser.push(text.substr(at, piece)));
  add(answer, parser.finish());
  return answer;
}

// Whole, and in pieces of every size.
void expect(const std::string& text, const AnswerOptions& options, const Answer& expected) {
  for (size_t piece = 1; piece <= text.size(); ++piece)
    ASSERT_EQ(parse(text, options, piece), expected) << text << " in pieces of " << piece;
}

AnswerOptions with_tools() {
  AnswerOptions options;
  options.parse_calls = true;
  options.tools = forms_of(Json::parse(R"([{"type": "function", "function": {
      "name": "find", "parameters": {"type": "object", "properties": {
        "query": {"type": "string"}, "limit": {"type": "integer"}, "exact": {"type": "boolean"},
        "tags": {"type": "array"}, "either": {"type": ["string", "null"]}}}}}])"));
  return options;
}

TEST(AnswerParser, LeavesPlainTextAlone) {
  expect("a <b> <think> </think> <tool_call>\n c \n",
         {},
         {"", "a <b> <think> </think> <tool_call>\n c \n", {}});
  expect("\n two \n", with_tools(), {"", "\n two \n", {}});
  expect("", {}, {});
}

TEST(AnswerParser, SplitsReasoning) {
  AnswerOptions opened;
  opened.starts_in_reasoning = true;
  expect("why\nnot \n</think>\n\nyes\n", opened, {"why\nnot", "yes\n", {}});
  expect("</think>\n\nyes", opened, {"", "yes", {}});
  expect("cut off </thi", opened, {"cut off </thi", "", {}});
  expect("a </thin b </think>c</think>", opened, {"a </thin b", "c</think>", {}});
  expect("\n<think>\nhm\n</think>\nyes", {}, {"hm", "yes", {}});
  expect("<thin", {}, {"", "<thin", {}});
  AnswerOptions whole = opened;
  whole.split_reasoning = false;
  expect("hm</think>\n\nyes", whole, {"", "hm</think>\n\nyes", {}});
}

TEST(AnswerParser, ReadsCalls) {
  expect(
      "Let me look.\n\n<tool_call>\n<function=find>\n<parameter=query>\nline "
      "one\n\"two\"\n\n</parameter>\n"
      "<parameter=limit>\n3\n</parameter>\n<parameter=exact>\nTrue\n</parameter>\n"
      "<parameter=tags>\n[\"a\", {\"b\": 1}]\n</parameter>\n</function>\n</tool_call>",
      with_tools(),
      {"",
       "Let me look.",
       {{"find",
         R"({"query": "line one\n\"two\"\n", "limit": 3, "exact": true, "tags": ["a", {"b": 1}]})"}}});
}

TEST(AnswerParser, ReadsSeveralCallsAndTextBehind) {
  expect(
      "<tool_call>\n<function=now>\n</function>\n</tool_call>\n<tool_call>\n<function=find>\n"
      "<parameter=either>\n12\n</parameter>\n</function>\n</tool_call>\n",
      with_tools(),
      {"", "", {{"now", "{}"}, {"find", R"({"either": "12"})"}}});
  expect("<tool_call>\n<function=now>\n</function>\n</tool_call>\n\nDone.",
         with_tools(),
         {"", "\n\nDone.", {{"now", "{}"}}});
}

TEST(AnswerParser, ReadsCallsBehindReasoning) {
  AnswerOptions options = with_tools();
  options.starts_in_reasoning = true;
  expect("I <tool_call> it\n</think>\n\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
         options,
         {"I <tool_call> it", "", {{"now", "{}"}}});
}

TEST(AnswerParser, ReadsCallsThatAreJson) {
  expect("<tool_call>\n{\"name\": \"find\", \"arguments\": {\"limit\": 3}}\n</tool_call>",
         with_tools(),
         {"", "", {{"find", R"({"limit":3})"}}});
}

TEST(AnswerParser, ValuesThatAreNotWhatTheSchemaSaysAreStrings) {
  expect("<tool_call><function=find><parameter=limit>many</parameter></function></tool_call>",
         with_tools(),
         {"", "", {{"find", R"({"limit": "many"})"}}});
}

TEST(AnswerParser, GivesBackWhatIsNoCall) {
  for (const std::string text : {"x <tool_call> is a mark",
                                 "<tool_call>\n<function=>\n</function></tool_call>",
                                 "<tool_call>{\"name\": 3}</tool_call>",
                                 "<tool_call>{\"name\": \"find\"",
                                 "<tool_call>\n<funct",
                                 "a \n<tool_call>"})
    expect(text, with_tools(), {"", text, {}});
  expect("<tool_call><tool_call><function=now></function></tool_call>",
         with_tools(),
         {"", "<tool_call>", {{"now", "{}"}}});
}

TEST(AnswerParser, LeavesACutOffCallOpen) {
  expect("<tool_call>\n<function=find>\n<parameter=query>\nhalf a li",
         with_tools(),
         {"", "", {{"find", R"({"query": "half a li)"}}});
}

TEST(AnswerParser, StreamsStringArgumentsAsTheyCome) {
  AnswerParser parser(with_tools());
  parser.push("<tool_call><function=find><parameter=query>\n");
  EXPECT_EQ(parser.push("abc").calls.at(0).arguments, "abc");
}

TEST(AnswerMarkers, KnowsTokensThatLeaveNoText) {
  loader::Vocab vocab = text::byte_vocab();
  const auto hidden = static_cast<int32_t>(vocab.tokens.size());
  vocab.tokens.push_back("</think>");
  vocab.types.push_back(loader::TokenType::kControl);
  const text::Tokenizer tokenizer(vocab);
  const AnswerMarkers markers(tokenizer);
  EXPECT_EQ(markers.hidden(hidden), kThinkClose);
  EXPECT_EQ(markers.hidden(text::kByteVocabThink), "");  // shows itself
  EXPECT_EQ(markers.hidden('a'), "");
  EXPECT_EQ(markers.id(kThinkOpen), text::kByteVocabThink);
  EXPECT_EQ(markers.id(kToolOpen), std::nullopt);
}

}  // namespace
}  // namespace shoal::answer
