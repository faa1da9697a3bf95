#include "runtime/text/nfc.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "runtime/text/utf8.h"

namespace shoal::text {
namespace {

std::string from_code_points(const std::string& hex_list) {
  std::istringstream in(hex_list);
  std::string out;
  for (uint32_t value; in >> std::hex >> value;) append_utf8(out, value);
  return out;
}

// Each line of the file must obey the conformance rules that NormalizationTest.txt states.
int check_conformance(std::istream& file) {
  int num_cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#' || line[0] == '@') continue;
    std::istringstream fields(line);
    std::array<std::string, 5> columns;
    for (std::string& column : columns) {
      std::getline(fields, column, ';');
      column = from_code_points(column);
    }
    const auto& [source, nfc, nfd, nfkc, nfkd] = columns;
    EXPECT_EQ(to_nfc(source), nfc) << line;
    EXPECT_EQ(to_nfc(nfc), nfc) << line;
    EXPECT_EQ(to_nfc(nfd), nfc) << line;
    EXPECT_EQ(to_nfc(nfkc), nfkc) << line;
    EXPECT_EQ(to_nfc(nfkd), nfkc) << line;
    if (source != nfc) {
      EXPECT_FALSE(is_surely_nfc(source)) << line;
    }
    ++num_cases;
  }
  return num_cases;
}

TEST(NfcTest, ConformsOnTheSample) {
  std::ifstream file(SHOAL_TEST_DATA "/tokenizer/nfc.txt");
  EXPECT_EQ(check_conformance(file), 600);
}

TEST(NfcTest, CodePointsOutsideTheDatabaseStayAsTheyAre) {
  for (const char* point : {"0378", "10FFFF", "E000", "2FFFE"}) {
    const std::string text = from_code_points(point);
    EXPECT_EQ(to_nfc(text), text) << point;
  }
}

TEST(NfcTest, KnowsComposedTextAtOnce) {
  EXPECT_TRUE(is_surely_nfc("plain ASCII\r\n\t"));
  EXPECT_TRUE(is_surely_nfc("na\u00EFve \u4F60\u597D \uAC00 \U0001F600"));
  EXPECT_FALSE(is_surely_nfc("nai\u0308ve"));
  EXPECT_FALSE(is_surely_nfc("\u212B"));
}

// A run of marks is sorted, so its length must not be squared: 300,000 marks in the worst order
// would take minutes.
TEST(NfcTest, LongRunsOfMarksAreOrdered) {
  constexpr int kNumMarks = 150'000;
  std::string above, below, text = "x";
  for (int i = 0; i < kNumMarks; ++i) {
    append_utf8(above, 0x30D);  // combining class 230
    append_utf8(below, 0x316);  // combining class 220
    append_utf8(text, 0x30D);
    append_utf8(text, 0x316);
  }
  EXPECT_EQ(to_nfc(text), "x" + below + above);
}

}  // namespace
}  // namespace shoal::text
