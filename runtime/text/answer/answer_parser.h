// A model's output, as it comes, cut into reasoning, answer and tool calls. Output of the Qwen3
// family: reasoning up to </think>, then text, then calls:
//
//   <tool_call>                              or, as earlier members write them:
//   <function=get_weather>                   <tool_call>
//   <parameter=city>                         {"name": "get_weather", "arguments": {"city": "Oslo"}}
//   Oslo                                     </tool_call>
//   </parameter>
//   </function>
//   </tool_call>
//
// What comes out does not depend on how the output was cut into pieces, so a stream and a whole
// reply agree. Text is held back only while it may still become a mark, and white space while it
// may turn out to lie before a call. A block that is no call is answer text, as it was written.
// One stream's parser; one thread at a time.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::answer {

inline constexpr size_t kMaxCalls = 128;
inline constexpr size_t kMaxNameBytes = 256;

// How a parameter's value is written into the call's JSON arguments.
enum class ValueForm : uint8_t {
  kString,  // as a JSON string, whatever it looks like
  kJson,    // as it stands where it is JSON, else as a string
};

// The functions that the request offered: name -> parameter -> form. Parameters that no schema
// names are strings.
using ToolForms = std::map<std::string, std::map<std::string, ValueForm>>;
// From the request's "tools" (OpenAI's form). Entries of another shape are passed over.
ToolForms forms_of(const nlohmann::ordered_json& tools);

struct AnswerOptions {
  bool starts_in_reasoning = false;  // the prompt ends inside <think>
  bool split_reasoning = true;       // false: reasoning and its marks are answer text
  bool parse_calls = false;          // false: <tool_call> is answer text
  ToolForms tools;
};

// What one piece of output adds. A call's first event has its name; its arguments follow in
// fragments that join to one JSON object.
struct CallDelta {
  size_t index = 0;
  std::string name;       // set in the first event of a call only
  std::string arguments;  // a fragment
};
struct AnswerDelta {
  std::string reasoning, content;
  std::vector<CallDelta> calls;
  bool empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
};

class AnswerParser {
 public:
  explicit AnswerParser(AnswerOptions options);

  AnswerDelta push(std::string_view text);
  // The end of the stream: what was held back. A call that was cut off keeps its open JSON.
  AnswerDelta finish();

  size_t num_calls() const { return num_calls_; }
  bool in_reasoning() const { return state_ == State::kReasoning; }

 private:
  enum class State : uint8_t {
    kStart,       // white space, maybe <think>
    kReasoning,   // up to </think>
    kContent,     // up to <tool_call>
    kCall,        // behind <tool_call>, until it is clear which form
    kJsonCall,    // up to </tool_call>
    kParameters,  // behind <function=NAME>, between parameters
    kValue,       // a parameter's value, up to </parameter>
    kCallEnd,     // behind </function>, up to </tool_call>
  };

  bool step(bool at_end);  // false: needs more text
  bool step_start(bool at_end);
  bool step_reasoning(bool at_end);
  bool step_content(bool at_end);
  bool step_call(bool at_end);
  bool step_json_call(bool at_end);
  bool step_parameters();
  bool step_value(bool at_end);
  bool step_call_end();

  void begin_call(const std::string& name);
  void add_arguments(const std::string& fragment);
  void end_arguments();
  void refuse_call();  // the block is no call: from its mark on it is answer text
  void emit_content(std::string_view text);

  AnswerOptions options_;
  State state_;
  std::string held_;          // not consumed yet
  std::string spaces_;        // white space that goes before the next text, or nowhere
  bool skip_spaces_ = false;  // at the start of reasoning, and of an answer behind it
  bool is_refused_ = false;   // held_ starts with a mark that is text after all
  size_t num_calls_ = 0, num_parameters_ = 0;
  std::string function_;
  ValueForm value_form_ = ValueForm::kString;
  bool value_began_ = false;
  std::string value_;  // kJson: all so far; kString: a line break that may be the last
  AnswerDelta out_;
};

}  // namespace shoal::answer
