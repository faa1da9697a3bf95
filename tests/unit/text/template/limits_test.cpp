// What a hostile template may not do: run for ever, print without end, nest without end, reach
// outside. Each refusal is a TemplateError that names the construct.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/text/template/chat_template.h"

namespace shoal::text {
namespace {

using testing::HasSubstr;

std::string repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// The error of parsing and rendering; empty when there is none.
std::string error_of(const std::string& source,
                     const nlohmann::ordered_json& variables = nlohmann::ordered_json::object()) {
  try {
    ChatTemplate::parse(source).render(variables);
    return "";
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.code(), ExitCode::kRequest);
    return error.what();
  }
}

TEST(Limits, StepsAreCounted) {
  const std::string loop = "{% for i in range(1000) %}";
  EXPECT_THAT(error_of(loop + loop + loop + repeat("{% endfor %}", 3)),
              HasSubstr("passed 1000000 steps"));
  EXPECT_THAT(error_of("{% for i in range(100000000) %}{% endfor %}"),
              HasSubstr("passed 1000000 steps"));
  EXPECT_THAT(error_of("{% set x = [0] * 100000000 %}"), HasSubstr("passed 1000000 steps"));
}

TEST(Limits, WorkInsideOneExpressionIsCounted) {
  // Comparing x with itself walks 2^60 leaves, though x holds 60 lists.
  EXPECT_THAT(error_of("{% set ns = namespace(x=[1, 1]) %}{% for i in range(60) %}"
                       "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == [ns.x[0], ns.x[1]] }}"),
              HasSubstr("passed 1000000 steps"));
  // Each turn copies a megabyte.
  EXPECT_THAT(error_of("{% set s = 'x' * 1000000 %}{% for i in range(100000) %}"
                       "{% set t = s ~ i %}{% endfor %}"),
              HasSubstr("passed 1000000 steps"));
}

TEST(Limits, OutputIsBounded) {
  const std::string expected = "template output exceeds 4 MiB";
  EXPECT_THAT(error_of("{{ 'x' * 5000000 }}"), HasSubstr(expected));
  EXPECT_THAT(error_of("{% for i in range(5) %}{{ 'x' * 1000000 }}{% endfor %}"),
              HasSubstr(expected));
  EXPECT_THAT(error_of("{{ ('x' * 4000)|replace('x', 'y' * 4000) }}"), HasSubstr(expected));
  EXPECT_THAT(error_of("{{ range(100000)|join('x' * 100000) }}"), HasSubstr(expected));
  EXPECT_THAT(error_of("{{ 'x'|indent(100000000) }}"), HasSubstr("exceeds 4 MiB"));
  EXPECT_EQ(error_of("{{ 'x' * 4194304 }}"), "");
}

TEST(Limits, SourceIsBounded) {
  EXPECT_EQ(error_of(std::string(1 << 20, 'a')), "");
  EXPECT_THAT(error_of(std::string((1 << 20) + 1, 'a')), HasSubstr("source exceeds 1 MiB"));
}

TEST(Limits, NestingOfTheSourceIsBounded) {
  for (const auto& [open, close] :
       std::initializer_list<std::pair<std::string, std::string>>{{"(", ")"},
                                                                  {"[", "]"},
                                                                  {"{1: ", "}"},
                                                                  {"-", ""},
                                                                  {"not ", ""},
                                                                  {"x[", "]"},
                                                                  {"x(", ")"},
                                                                  {"x|default(", ")"},
                                                                  {"1 if 1 else ", ""}}) {
    SCOPED_TRACE(open);
    EXPECT_THAT(error_of("{{ " + repeat(open, 10000) + "1" + repeat(close, 10000) + " }}"),
                HasSubstr("nesting exceeds 64"));
  }
  for (const auto& [open, close] : std::initializer_list<std::pair<std::string, std::string>>{
           {"{% if 1 %}", "{% endif %}"},
           {"{% for x in y %}", "{% endfor %}"},
           {"{% set x %}", "{% endset %}"},
           {"{% macro m() %}", "{% endmacro %}"},
           {"{% filter trim %}", "{% endfilter %}"}}) {
    SCOPED_TRACE(open);
    EXPECT_THAT(error_of(repeat(open, 10000) + repeat(close, 10000)),
                HasSubstr("nesting exceeds 64"));
    EXPECT_EQ(error_of(repeat(open, 60) + repeat(close, 60)), "");
  }
}

TEST(Limits, ChainsThatNestTheTreeAreBounded) {
  EXPECT_THAT(error_of("{{ 1" + repeat("+1", 100000) + " }}"), HasSubstr("nests deeper than 256"));
  EXPECT_THAT(error_of("{{ x" + repeat(".x", 100000) + " }}"), HasSubstr("nests deeper than 256"));
  EXPECT_THAT(error_of("{{ x" + repeat("|trim", 100000) + " }}"),
              HasSubstr("nests deeper than 256"));
  EXPECT_EQ(error_of("{{ ''" + repeat("~'a'", 10000) + " }}"), "");
  EXPECT_EQ(error_of("{% if 0 %}" + repeat("{% elif 0 %}", 10000) + "{% endif %}"), "");
}

TEST(Limits, CallsAreBounded) {
  EXPECT_THAT(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
              HasSubstr("nesting of calls exceeds 64"));
  EXPECT_THAT(
      error_of(
          "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"),
      HasSubstr("nesting of calls exceeds 64"));
  // Deep expressions in every call add up to deep recursion of the interpreter.
  EXPECT_THAT(error_of("{% macro m(x) %}{{ " + repeat("(", 50) + "1" + repeat("+1)", 50) +
                       " + m(1)" + repeat("+1", 190) + " }}{% endmacro %}{{ m(1) }}"),
              HasSubstr("nesting exceeds"));
}

TEST(Limits, ValuesNestToADepth) {
  EXPECT_THAT(error_of("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}"
                       "{% set ns.x = [ns.x] %}{% endfor %}"),
              HasSubstr("nests deeper than 128"));
  const auto deep = nlohmann::ordered_json::parse(repeat("[", 1000) + repeat("]", 1000));
  EXPECT_THAT(error_of("x", {{"tools", deep}}), HasSubstr("nests deeper than 128"));
}

TEST(Limits, NamespacesMayHoldThemselves) {
  EXPECT_EQ(error_of("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns] %}x"),
            "");
  EXPECT_EQ(error_of("{% set ns = namespace() %}{% for x in [1, 2] %}{% set ns.l = loop %}"
                     "{% macro m() %}{{ ns }}{% endmacro %}{% set ns.m = m %}{% endfor %}"
                     "{{ ns.l.index }}{{ ns.l.last }}"),
            "");
}

TEST(Limits, NothingReachesOutside) {
  const std::string host = "'__class__', which does not exist here (no host objects at all)";
  EXPECT_THAT(error_of("a\n{{ ''.__class__.__mro__ }}"), HasSubstr("line 2: uses " + host));
  EXPECT_THAT(error_of("{{ ''['__class__'] }}"), HasSubstr(host));
  EXPECT_THAT(
      error_of("{{ ''|map(attribute='__class__')|list }}{{ 'a'|map(attribute='__class__')|list }}"),
      HasSubstr(host));
  EXPECT_THAT(error_of("{{ __builtins__ }}"), HasSubstr("'__builtins__'"));
  EXPECT_THAT(error_of("{{ ''|attr('__class__') }}"), HasSubstr("No filter named 'attr'"));
  EXPECT_THAT(error_of("{{ '{}'.format(1) }}"), HasSubstr("not supported"));
  for (const std::string tag : {"import 'os' as os",
                                "include 'x'",
                                "extends 'x'",
                                "from 'x' import y",
                                "block b",
                                "do x"}) {
    const std::string word = tag.substr(0, tag.find(' '));
    EXPECT_THAT(error_of("a\nb\n{% " + tag + " %}"),
                HasSubstr("line 3: uses '" + word + "', which does not exist here"));
  }
  EXPECT_THAT(error_of("{{ cycler() }}{{ lipsum }}"), HasSubstr("'cycler' is undefined"));
}

TEST(Limits, HostileTextTakesLinearTime) {
  // Each of these is quadratic in a naive engine; here they end, or end by their budget.
  const nlohmann::ordered_json variables = {{"a", std::string(1 << 20, 'a')}};
  EXPECT_EQ(error_of("{{ ('a' * 500000 ~ 'b') in a }}", variables), "");
  EXPECT_EQ(error_of("{{ a.rfind('b' ~ 'a' * 500000) }}", variables), "");
  EXPECT_EQ(error_of("{{ a.split('a' * 1000 ~ 'b')|length }}", variables), "");
  EXPECT_THAT(error_of("{{ a|list|length }}", variables), HasSubstr("passed 1000000 steps"));
}

}  // namespace
}  // namespace shoal::text
