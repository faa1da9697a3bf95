#include "runtime/text/utf8.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace shoal::text {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

TEST(Utf8Test, ReplacesWhatPythonReplaces) {
  std::ifstream file(SHOAL_TEST_DATA "/tokenizer/utf8_replace.jsonl");
  int num_cases = 0;
  for (std::string line; std::getline(file, line); ++num_cases) {
    const auto sample = nlohmann::json::parse(line);
    const std::string bytes = from_hex(sample["hex"]), expected = sample["text"];
    EXPECT_EQ(sanitize_utf8(bytes), expected) << sample["hex"];
    EXPECT_EQ(is_well_formed(bytes), bytes == expected) << sample["hex"];
  }
  EXPECT_GT(num_cases, 300);
}

TEST(Utf8Test, EveryScalarValueSurvives) {
  for (char32_t value = 0; value <= 0x10FFFF; ++value) {
    if (value == 0xD800) value = 0xE000;
    std::string bytes;
    append_utf8(bytes, value);
    const CodePoint point = decode_code_point(bytes, 0);
    ASSERT_TRUE(point.well_formed);
    ASSERT_EQ(point.value, value);
    ASSERT_EQ(point.num_bytes, bytes.size());
  }
}

TEST(Utf8Test, UnfinishedTailIsWhatMoreBytesCouldComplete) {
  EXPECT_EQ(unfinished_tail_bytes(""), 0u);
  EXPECT_EQ(unfinished_tail_bytes("a"), 0u);
  EXPECT_EQ(unfinished_tail_bytes("a\xC3"), 1u);
  EXPECT_EQ(unfinished_tail_bytes("a\xC3\xA9"), 0u);
  EXPECT_EQ(unfinished_tail_bytes("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(unfinished_tail_bytes("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(unfinished_tail_bytes("\xE2\x82"), 2u);
  EXPECT_EQ(unfinished_tail_bytes("\xE2\x28"), 0u);
  EXPECT_EQ(unfinished_tail_bytes("\xED\xA0"), 0u) << "a surrogate can never be completed";
  EXPECT_EQ(unfinished_tail_bytes("\xFF"), 0u);
  EXPECT_EQ(unfinished_tail_bytes("\x80\x80\x80\x80"), 0u);
}

}  // namespace
}  // namespace shoal::text
