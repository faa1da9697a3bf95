// Small templates, one construct each, against what Python's jinja2 made of them
// (tests/data/chat_template/write_snippets.py wrote the file).
#include <gtest/gtest.h>

#include <string>

#include "runtime/text/template/chat_template.h"
#include "tests/unit/text/template/case_file.h"

namespace shoal::text {
namespace {

TEST(Snippets, RenderAsJinja2) {
  const auto cases =
      read_cases(std::filesystem::path(SHOAL_TEST_DATA) / "chat_template" / "snippets.jsonl");
  ASSERT_GT(cases.size(), 1000u);
  const nlohmann::ordered_json& input = cases.front()["input"];
  for (size_t i = 1; i < cases.size(); ++i) {
    const auto source = cases[i]["source"].get<std::string>();
    SCOPED_TRACE(source);
    try {
      const RenderResult result = ChatTemplate::parse(source).render(input);
      if (cases[i].contains("output")) {
        EXPECT_EQ(result.text, cases[i]["output"].get<std::string>());
      } else {
        ADD_FAILURE() << "rendered '" << result.text << "', although jinja2 fails";
      }
    } catch (const TemplateError& error) {
      const std::string what = error.what();
      const std::string reason = error.line() == 0 ? what : what.substr(what.find(": ") + 2);
      EXPECT_FALSE(cases[i].contains("output")) << what;
      if (cases[i].contains("error")) {
        EXPECT_EQ(reason, cases[i]["error"].get<std::string>());
      }
    }
  }
}

}  // namespace
}  // namespace shoal::text
