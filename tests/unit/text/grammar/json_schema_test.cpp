// Schemas against values that they hold valid and values that they do not, judged by hand from the
// JSON Schema texts; and what is refused in which words.
#include "runtime/text/grammar/json_schema.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "runtime/text/grammar/json_numbers.h"
#include "tests/unit/text/grammar/text_matcher.h"

namespace shoal::grammar::testing {
namespace {

TextMatcher matcher(const std::string& schema) {
  const auto gbnf = gbnf_from_json_schema(schema);
  if (const auto* refusal = std::get_if<Refusal>(&gbnf)) {
    ADD_FAILURE() << refusal->message << "\n" << schema;
    return TextMatcher("root ::= \"\"");
  }
  return TextMatcher(std::get<std::string>(gbnf));
}

using Texts = std::vector<const char*>;

void expect(const std::string& schema, const Texts& valid, const Texts& invalid) {
  TextMatcher ours = matcher(schema);
  for (const char* text : valid) {
    EXPECT_TRUE(ours.accepts(text)) << schema << "\n" << text;
    EXPECT_TRUE(nlohmann::json::accept(text)) << text;
  }
  for (const char* text : invalid) EXPECT_FALSE(ours.accepts(text)) << schema << "\n" << text;
}

TEST(JsonSchema, Types) {
  expect(R"({"type":"boolean"})", {"true", "false"}, {"", "True", "null", "1", "\"true\""});
  expect(R"({"type":"null"})", {"null"}, {"nil", "0"});
  expect(R"({"type":"integer"})", {"0", "-1", "1234567890123456"}, {"01", "1.0", "-", "1e3", "+1"});
  expect(R"({"type":"number"})",
         {"0", "-0.5", "1e10", "2.5E-3", "100"},
         {".5", "1.", "1e", "--1", "NaN", "Infinity"});
  expect(R"({"type":"string"})",
         {R"("")", R"("a\"b\\c\n")", R"("\u00e9\ud83d\ude00")", "\"\u20ac\""},
         {"\"\n\"", R"("\q")", R"("\ud83d")", R"("\ude00")", "a", R"("a)"});
  expect(R"({"type":["integer","null"]})", {"1", "null"}, {"\"1\"", "1.5"});
  expect("{}", {"1", "[1, {\"a\": null}]", "\"x\"", "{}", "[]"}, {"", "[1,]", "{a:1}"});
  expect("true", {"[[[]]]", "{\"a\":{\"b\":[1,2]}}"}, {"[[]"});
}

TEST(JsonSchema, ListedValues) {
  expect(R"({"enum":["red",1,null,{"a":[1,"x"]}]})",
         {"\"red\"", "1", "null", R"({"a":[1,"x"]})"},
         {"red", "\"blue\"", "2", "\"re\""});
  expect(R"({"const":"it's \"so\""})", {R"("it's \"so\"")"}, {"\"it's\""});
  expect(R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"});
}

TEST(JsonSchema, Objects) {
  const char* schema = R"({"type":"object","properties":{"name":{"type":"string"},
    "age":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}},
    "required":["name","tags"],"additionalProperties":false})";
  expect(schema,
         {R"({"name":"x","tags":[]})",
          R"({"name": "x", "age": 3, "tags": ["a", "b"]})",
          "{\n  \"name\": \"x\",\n  \"tags\": []\n}"},
         {R"({"name":"x"})",
          R"({"tags":[]})",
          R"({"name":"x","tags":[],"more":1})",
          R"({"name":"x","age":"3","tags":[]})",
          R"({"name":"x",,"tags":[]})",
          R"({"name":"x" "tags":[]})",
          "{}"});
  expect(R"({"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}})",
         {"{}", R"({"a":1})", R"({"b":2})", R"({"a":1,"c":3})", R"({"a":1,"b":2,"c":3})"},
         {R"({"c":3,})", R"({,"c":3})", R"({"a":1 "b":2})", R"({"d":1})"});
  expect(R"({"type":"object"})", {"{}", R"({"x":[1]})"}, {"[]", "1"});
  expect(R"({"type":"object","properties":{}})", {"{}", "{ }"}, {R"({"x":1})"});
  expect(R"({"type":"object","required":["x"]})", {R"({"x":1})", R"({"x":1,"y":2})"}, {"{}"});
}

TEST(JsonSchema, AdditionalPropertiesAreNoneOfTheNamedOnes) {
  expect(
      R"({"properties":{"ab":{"type":"integer"},"a":{"type":"integer"},"":{"type":"integer"}},
             "additionalProperties":{"type":"boolean"}})",
      {"{}",
       R"({"ab":1})",
       R"({"ab":1,"a":2,"abc":true})",
       R"({"b":false,"aa":true})",
       R"({"":1,"x":true})"},
      {R"({"a":true})", R"({"ab":true})", R"({"":true})", R"({"abc":1})", R"({"x":true,"ab":1})"});
  expect(R"({"additionalProperties":{"type":"integer"}})",
         {"{}", R"({"q":1,"r":2})"},
         {R"({"q":"1"})"});
}

TEST(JsonSchema, Arrays) {
  expect(R"({"items":{"type":"integer"},"minItems":2,"maxItems":3})",
         {"[1,2]", "[1, 2, 3]"},
         {"[1]", "[1,2,3,4]", "[]", "[1,\"2\"]"});
  expect(R"({"type":"array","items":{"type":"integer"},"maxItems":1})", {"[]", "[5]"}, {"[1,2]"});
  expect(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
  expect(R"({"type":"array","minItems":1})", {"[1]", "[1,\"a\"]"}, {"[]"});
  expect(
      R"({"prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4})",
      {"[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]"},
      {"[]", "[2]", "[1,3]", "[1,2,3,3,3]"});
  expect(R"({"prefixItems":[{"const":1},{"const":2}],"items":false})",
         {"[]", "[1]", "[1,2]"},
         {"[1,2,3]", "[2]"});
  expect(R"({"prefixItems":[{"const":1},{"const":2},{"const":3}],"maxItems":2,"minItems":2})",
         {"[1,2]"},
         {"[1]", "[1,2,3]"});
}

TEST(JsonSchema, Strings) {
  expect(R"({"minLength":2,"maxLength":3})",
         {"\"ab\"", "\"\u20ac\u20ac\u20ac\"", R"("\n\"")", R"("\ud83d\ude00x")"},
         {"\"a\"", "\"abcd\"", R"("\ud83d\ude00")"});
  expect(R"({"pattern":"^[a-c]{2}-\\d+$"})", {"\"ab-1\"", "\"cc-2024\""}, {"\"abc-1\"", "\"ab-\""});
  expect(R"({"pattern":"b+"})", {"\"b\"", "\"aabba\"", R"("\"b")"}, {"\"a\"", "\"\""});
  expect(R"({"pattern":"^a|b$"})", {"\"ax\"", "\"xb\""}, {"\"xa\"", "\"bx\""});
  expect(R"({"pattern":"^[\"\\\\\n]+$"})", {R"("\"")", R"("\\\n")"}, {"\"\"\"", "\"n\"", R"("\")"});
  expect(R"({"format":"date"})", {"\"2026-11-24\""}, {"\"2026-13-01\"", "\"26-11-24\""});
  expect(R"({"format":"date-time"})",
         {"\"2026-11-24T14:05:00Z\"", "\"2026-11-24T14:05:00.25+01:00\""},
         {"\"2026-11-24\"", "\"2026-11-24T24:05:00Z\"", "\"2026-11-24T14:05:00\""});
  expect(R"({"format":"uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""});
  expect(R"({"format":"ipv4"})",
         {"\"192.168.0.255\"", "\"0.0.0.0\""},
         {"\"256.1.1.1\"", "\"1.1.1\"", "\"01.1.1.1\""});
  expect(R"({"format":"email"})",
         {"\"a.b@example.org\""},
         {"\"a@b\"", "\"@example.org\"", "\"a b@c.de\""});
  expect(R"({"format":"duration"})",
         {"\"P1D\"", "\"PT5M\"", "\"P1Y2M3DT4H5M6S\"", "\"P2W\""},
         {"\"P\"", "\"PT\"", "\"1D\""});
  expect(R"({"format":"uri"})",
         {"\"https://example.org/a/b?c=d#e\"", "\"http://x:80\""},
         {"\"example.org\"", "\"http://\""});
}

// All bounds of a range of small numbers, against comparison.
TEST(JsonSchema, IntegersBetweenBoundsAreExact) {
  for (const auto& [low, high] : {std::pair{-12, 7},
                                  {0, 0},
                                  {1, 1234},
                                  {95, 105},
                                  {-1030, -99},
                                  {-5, -5},
                                  {7, 19},
                                  {0, 10},
                                  {999, 1001}}) {
    TextMatcher ours =
        matcher(fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high));
    for (int n = -1500; n <= 1500; ++n)
      ASSERT_EQ(ours.accepts(std::to_string(n)), low <= n && n <= high)
          << low << ".." << high << ": " << n;
    EXPECT_FALSE(ours.accepts("-0") || ours.accepts("00") || ours.accepts("007"));
  }
  expect(R"({"type":"integer","exclusiveMinimum":3})",
         {"4", "10", "9999999999999999"},
         {"3", "-4", "0"});
  expect(R"({"type":"integer","exclusiveMaximum":-1})", {"-2", "-30"}, {"-1", "0", "5"});
}

TEST(JsonSchema, NumbersBetweenBoundsAreExact) {
  struct Range {
    int low, high;
    bool low_excluded, high_excluded;
  };
  for (const Range& range : {Range{0, 1, false, false},
                             {0, 1, true, true},
                             {-2, 3, false, true},
                             {-3, -1, true, false},
                             {5, 12, false, false}}) {
    TextMatcher ours = matcher(fmt::format(R"({{"type":"number","{}":{},"{}":{}}})",
                                           range.low_excluded ? "exclusiveMinimum" : "minimum",
                                           range.low,
                                           range.high_excluded ? "exclusiveMaximum" : "maximum",
                                           range.high));
    for (int hundredths = -400; hundredths <= 1300; ++hundredths) {
      if (hundredths == 0) continue;
      const std::string text = fmt::format("{:.2f}", hundredths / 100.0);
      const bool inside =
          (range.low_excluded ? hundredths > 100 * range.low : hundredths >= 100 * range.low) &&
          (range.high_excluded ? hundredths < 100 * range.high : hundredths <= 100 * range.high);
      ASSERT_EQ(ours.accepts(text), inside) << text << " in " << range.low << ".." << range.high;
    }
  }
  expect(R"({"type":"number","minimum":0})", {"0", "0.5", "12345.678"}, {"-1", "-0.1"});
}

TEST(JsonSchema, Choices) {
  expect(R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})",
         {"5", "\"a\""},
         {"\"ab\"", "null"});
  expect(R"({"allOf":[{"$ref":"#/$defs/n"}],"title":"N","$defs":{"n":{"type":"null"}}})",
         {"null"},
         {"0"});
  expect(R"({"oneOf":[{"type":"integer"},{"type":"null"}]})", {"5", "null"}, {"5.5"});
  const char* tagged = R"({"oneOf":[{"$ref":"#/$defs/cat"},{"$ref":"#/$defs/dog"}],"$defs":{
    "cat":{"type":"object","properties":{"kind":{"const":"cat"},"lives":{"type":"integer"}},"required":["kind","lives"]},
    "dog":{"type":"object","properties":{"kind":{"const":"dog"}},"required":["kind"]}}})";
  expect(tagged,
         {R"({"kind":"cat","lives":9})", R"({"kind":"dog"})"},
         {R"({"kind":"cat"})", R"({"kind":"cow"})", R"({"kind":"dog","lives":9})"});
}

TEST(JsonSchema, References) {
  expect(R"({"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{
            "value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/tree"}}},
            "required":["value"]}}})",
         {R"({"value":1})", R"({"value":1,"children":[{"value":2,"children":[]},{"value":3}]})"},
         {R"({"value":1,"children":[{}]})", R"({"children":[]})"});
  expect(R"({"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}})",
         {"[]", "[[null],[[]]]"},
         {"[1]"});
}

TEST(JsonSchema, AnyObject) {
  TextMatcher any(gbnf_of_json_object());
  for (const char* text : {"{}", R"({"a":{"b":[1,2.5,"x",true,null,{}]}})"})
    EXPECT_TRUE(any.accepts(text));
  for (const char* text : {"[]", "1", "{", R"({"a":})"}) EXPECT_FALSE(any.accepts(text));
}

TEST(JsonSchema, RefusesByKeywordAndPlace) {
  const auto refused = [](const std::string& schema, const std::string& words) {
    const auto gbnf = gbnf_from_json_schema(schema);
    const auto* refusal = std::get_if<Refusal>(&gbnf);
    ASSERT_NE(refusal, nullptr) << schema;
    EXPECT_THAT(refusal->message, ::testing::HasSubstr(words)) << schema;
  };
  refused("{", "the schema is not JSON");
  refused("[]", "a schema is an object, true or false");
  refused("false", "'false' holds no value valid");
  refused(R"({"type":"integer","multipleOf":3})",
          "schema at #: keyword 'multipleOf' is not supported");
  refused(R"({"properties":{"a":{"type":"array","uniqueItems":true}}})",
          "schema at #/properties/a: keyword 'uniqueItems' is not supported");
  for (const char* keyword : {"not",
                              "if",
                              "patternProperties",
                              "minProperties",
                              "propertyNames",
                              "dependentRequired",
                              "contains",
                              "$dynamicRef",
                              "nullable"})
    refused(fmt::format(R"({{"type":"object","{}":{{}}}})", keyword), fmt::format("'{}'", keyword));
  refused(R"({"type":"integer","minLength":3})", "'minLength' is not supported");
  refused(R"({"type":"text"})", "type 'text' is not known");
  refused(R"({"type":[]})", "'type' lists no type");
  refused(R"({"enum":[]})", "no listed value");
  refused(R"({"enum":["a"],"minLength":1})", "'minLength' beside 'enum'");
  refused(R"({"anyOf":[{"type":"null"}],"type":"null"})", "'type' beside 'anyOf'");
  refused(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "'oneOf' whose branches 0 and 1");
  refused(R"({"allOf":[{"type":"object"},{"required":["a"]}]})", "'allOf' of more than one");
  refused(R"({"$ref":"http://example.org/x"})", "leaves the document");
  refused(R"({"$ref":"#/$defs/x"})", "leads nowhere");
  refused(R"({"type":"string","format":"color"})", "format 'color' is not supported");
  refused(R"({"type":"string","pattern":"a","maxLength":4})", "'pattern' beside minLength");
  refused(R"({"type":"string","pattern":"(?=a)b"})", "lookahead");
  refused(R"({"type":"number","minimum":0.5})", "'minimum' that is not a whole number");
  refused(R"({"type":"integer","minimum":3,"maximum":2})", "no number lies between");
  refused(R"({"type":"string","minLength":3,"maxLength":2})", "maxLength is below minLength");
  refused(R"({"type":"array","minItems":-1})", "'minItems' is not a whole number");
  refused(R"({"required":["x"],"properties":{},"type":"object"})", "'required' names 'x'");
  refused(R"({"items":[{"type":"null"}]})", "prefixItems says the same");
  std::string deep = "{}";
  for (int i = 0; i < 100; ++i) deep = R"({"items":)" + deep + "}";
  refused(deep, "nested deeper than 64");
  refused(std::string(2000, '['), "");
}

// Random texts made only by following the grammar are JSON that parses, whatever was chosen.
TEST(JsonSchema, WalksEndInValidJson) {
  const auto gbnf = gbnf_from_json_schema(
      R"({"type":"object","properties":{"s":{"type":"string","maxLength":6},"n":{"type":"number"},
          "l":{"type":"array","items":{"enum":["a",2,null]},"maxItems":3}},"required":["s","l"]})");
  StateTable table(TextMatcher::compiled(std::get<std::string>(gbnf)));
  std::mt19937 random(11);
  int finished = 0;
  for (int walk = 0; walk < 300; ++walk) {
    std::string text;
    StateTable::State state = table.start();
    for (int i = 0; i < 400; ++i) {
      if (table.accepts(state) && random() % 4 == 0) break;
      std::string next;
      for (int byte = 0; byte < 256; ++byte)
        if (table.step(state, static_cast<uint8_t>(byte)) != StateTable::kDead)
          next += static_cast<char>(byte);
      if (next.empty()) break;
      // Closing characters more often, so that walks end.
      char chosen = next[random() % next.size()];
      for (const char end : {'}', ']', '"'})
        if (random() % 3 == 0 && next.find(end) != std::string::npos) chosen = end;
      text += chosen;
      state = table.step(state, static_cast<uint8_t>(chosen));
    }
    if (!table.accepts(state)) continue;
    ++finished;
    const auto value = nlohmann::json::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text;
    ASSERT_TRUE(value.contains("s") && value.at("l").is_array()) << text;
  }
  EXPECT_GT(finished, 50);
}

}  // namespace
}  // namespace shoal::grammar::testing
