// Errors name the line, and the template's own refusals stand alone.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/text/template/chat_template.h"

namespace shoal::text {
namespace {

std::string error_of(const std::string& source,
                     const nlohmann::ordered_json& variables = nlohmann::ordered_json::object()) {
  try {
    return "rendered: " + ChatTemplate::parse(source).render(variables).text;
  } catch (const TemplateError& error) {
    return error.what();
  }
}

TEST(TemplateErrors, RefusalIsTheTemplatesMessage) {
  EXPECT_EQ(error_of("\n\n{{ raise_exception('no ' ~ what) }}", {{"what", "images"}}), "no images");
  try {
    ChatTemplate::parse("{{ raise_exception('x') }}").render({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRequest);
  }
}

TEST(TemplateErrors, RunTimeFaultsNameTheLine) {
  EXPECT_EQ(error_of("a\n{{ missing.x }}"), "chat template line 2: 'missing' is undefined");
  EXPECT_EQ(error_of("a\n\n{{ 'x' +\n 1 }}"),
            "chat template line 3: TypeError: can only concatenate str (not \"int\") to str");
  EXPECT_EQ(error_of("{% macro m(x) %}\n{{ x.y.z }}\n{% endmacro %}\n\n{{ m({}) }}"),
            "chat template line 2: 'dict object' has no attribute 'y'");
  EXPECT_EQ(error_of("{% for x in [1] %}\n\n{% set a, b = x %}{% endfor %}"),
            "chat template line 3: TypeError: cannot unpack non-iterable int object");
}

TEST(TemplateErrors, SyntaxFaultsNameTheLine) {
  EXPECT_EQ(error_of("a\nb {{ x"), "chat template line 2: tag is never closed");
  EXPECT_EQ(error_of("\n{{ x y }}"), "chat template line 2: expected '}}', got 'y'");
  EXPECT_EQ(error_of("\n\n{% if x %}\nabc"), "chat template line 3: 'endif' is missing");
  EXPECT_EQ(error_of("{% for x in y %}\n{% endif %}"), "chat template line 2: unknown tag 'endif'");
  EXPECT_EQ(error_of("{% bogus %}"), "chat template line 1: unknown tag 'bogus'");
  EXPECT_EQ(error_of("\n{{ 'abc }}"), "chat template line 2: string is never closed");
  EXPECT_EQ(error_of("{{ (1] }}"), "chat template line 1: unexpected ']', expected ')'");
  EXPECT_EQ(error_of("{# x"), "chat template line 1: missing end of comment tag");
  EXPECT_EQ(error_of("{% for x in y recursive %}{% endfor %}"),
            "chat template line 1: 'recursive' loops are not supported");
}

TEST(TemplateErrors, UntrustedNamesAreMadePrintable) {
  EXPECT_EQ(error_of("{{ d['\\x1b[31m'].x }}", {{"d", nlohmann::ordered_json::object()}}),
            "chat template line 1: 'dict object' has no attribute '\\x1b[31m'");
}

TEST(TemplateErrors, TodayIsPrintedInDigits) {
  const std::string today = error_of("{{ strftime_now('%Y-%m-%d') }}");
  EXPECT_EQ(today.size(), std::string("rendered: 2000-01-01").size());
}

}  // namespace
}  // namespace shoal::text
