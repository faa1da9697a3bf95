// Whole conversations through whole templates. Expected texts and refusals come from Python's
// jinja2 (trim_blocks, lstrip_blocks, tojson as json.dumps without ASCII escapes), byte for byte.
#include <gtest/gtest.h>

#include <string>

#include "runtime/text/template/chat_template.h"
#include "tests/unit/text/template/case_file.h"

namespace shoal::text {
namespace {

void check_cases(const std::filesystem::path& folder, const std::string& name) {
  const auto source_path = folder / (name + ".jinja");
  if (!std::filesystem::exists(source_path)) {
    GTEST_SKIP() << source_path << " is not here (the shared data folder is optional)";
  }
  const ChatTemplate chat_template = ChatTemplate::parse(read_file(source_path));
  const auto cases = read_cases(folder / (name + ".cases.jsonl"));
  ASSERT_FALSE(cases.empty());
  for (const auto& example : cases) {
    SCOPED_TRACE(example["input"].dump());
    if (example.contains("output")) {
      const RenderResult result = chat_template.render(example["input"]);
      EXPECT_EQ(result.text, example["output"].get<std::string>());
      std::string joined;
      for (const auto& piece : result.pieces) joined += piece.text;
      EXPECT_EQ(joined, result.text);
      continue;
    }
    const auto expected = example["error"].get<std::string>();
    try {
      chat_template.render(example["input"]);
      ADD_FAILURE() << "rendered, although the case expects: " << expected;
    } catch (const TemplateError& error) {
      EXPECT_EQ(error.code(), ExitCode::kRequest);
      // A refusal of the template stands alone; other failures say the line first.
      const std::string what = error.what();
      EXPECT_EQ(error.line() == 0 ? what : what.substr(what.find(": ") + 2), expected);
    }
  }
}

TEST(ChatTemplateCases, DemoModel) {
  check_cases(std::filesystem::path(SHOAL_TEST_DATA) / "chat_template", "demo");
}

class SharedTemplates : public testing::TestWithParam<const char*> {};

TEST_P(SharedTemplates, RendersAsJinja2) {
  check_cases(std::filesystem::path(SHOAL_SHARED_DIR) / "data" / "chat_template", GetParam());
}

INSTANTIATE_TEST_SUITE_P(Files,
                         SharedTemplates,
                         testing::Values("demo", "qwen3", "qwen3-coder", "qwen3.5"));

}  // namespace
}  // namespace shoal::text
