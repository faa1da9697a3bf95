#include "runtime/text/pretokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/text/unicode.h"

namespace shoal::text {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (size_t pos = 0; pos < text.size(); pos += words.back().size())
    words.emplace_back(text.substr(pos, word_bytes(text, pos)));
  return words;
}

// The words that a regular-expression engine finds with the pattern itself.
TEST(PretokenizerTest, CutsAsThePatternDoes) {
  std::ifstream file(SHOAL_TEST_DATA "/tokenizer/words.jsonl");
  int num_cases = 0;
  for (std::string line; std::getline(file, line); ++num_cases) {
    const auto sample = nlohmann::json::parse(line);
    const std::vector<std::string> expected = sample["words"];
    EXPECT_EQ(words_of(sample["text"].get<std::string>()), expected) << line;
  }
  EXPECT_GT(num_cases, 300);
}

TEST(PretokenizerTest, AnyBytesAreCutIntoAtLeastOneByteAWord) {
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes.push_back(static_cast<char>(i * 7919 >> 3));
  std::string joined;
  for (const std::string& word : words_of(bytes)) {
    EXPECT_FALSE(word.empty());
    joined += word;
  }
  EXPECT_EQ(joined, bytes);
}

// Each would take hours if a character were read more than a few times.
TEST(PretokenizerTest, LongRunsAreReadOnce) {
  constexpr size_t kNumBytes = 1 << 20;
  const std::string spaces(kNumBytes, ' '), letters(kNumBytes, 'a'), quotes(kNumBytes, '\'');
  EXPECT_EQ(words_of(spaces).size(), 1u);
  EXPECT_EQ(words_of(spaces + "x").size(), 2u);
  EXPECT_EQ(words_of("\n" + spaces + "x").size(), 3u);
  EXPECT_EQ(words_of(letters).size(), 1u);
  EXPECT_EQ(words_of(quotes).size(), 1u);
  EXPECT_EQ(words_of(std::string(kNumBytes, '7')).size(), kNumBytes);
}

TEST(UnicodeTest, ClassesOfKnownCharacters) {
  EXPECT_EQ(char_class('a'), CharClass::kLetter);
  EXPECT_EQ(char_class('_'), CharClass::kOther);
  EXPECT_EQ(char_class('5'), CharClass::kNumber);
  EXPECT_EQ(char_class('\n'), CharClass::kSpace);
  EXPECT_EQ(char_class(0x1C), CharClass::kOther) << "a separator to Python, not white space";
  EXPECT_EQ(char_class(0x85), CharClass::kSpace);
  EXPECT_EQ(char_class(0xA0), CharClass::kSpace);
  EXPECT_EQ(char_class(0x200B), CharClass::kOther);
  EXPECT_EQ(char_class(0x0E31), CharClass::kMark);
  EXPECT_EQ(char_class(0x9FFF), CharClass::kLetter);
  EXPECT_EQ(char_class(0xBD), CharClass::kNumber);
  EXPECT_EQ(char_class(0x10FFFF), CharClass::kOther);
}

}  // namespace
}  // namespace shoal::text
