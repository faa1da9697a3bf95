#include "runtime/text/special_tokens.h"

#include <gtest/gtest.h>

namespace shoal::text {
namespace {

struct Found {
  size_t begin, end;
  int32_t id;
  bool operator==(const Found&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Found& found) {
  return out << found.id << " at [" << found.begin << ", " << found.end << ")";
}

std::vector<Found> find(const std::vector<SpecialToken>& tokens, std::string_view text) {
  std::vector<Found> found;
  for (const SpecialMatch& match : SpecialTokenFinder(tokens).find(text))
    found.push_back({match.begin, match.end, match.id});
  return found;
}

TEST(SpecialTokenFinderTest, TakesTheLongestFromTheLeft) {
  const std::vector<SpecialToken> tokens = {
      {"ab", 1}, {"abcd", 2}, {"bc", 3}, {"cde", 4}, {"d", 5}};
  EXPECT_EQ(find(tokens, "abcde"), (std::vector<Found>{{0, 4, 2}}));
  EXPECT_EQ(find(tokens, "abce"), (std::vector<Found>{{0, 2, 1}}));
  EXPECT_EQ(find(tokens, "xbcde"), (std::vector<Found>{{1, 3, 3}, {3, 4, 5}}));
  EXPECT_EQ(find(tokens, "abab"), (std::vector<Found>{{0, 2, 1}, {2, 4, 1}}));
  EXPECT_EQ(find(tokens, "xyz"), (std::vector<Found>{}));
  EXPECT_EQ(find(tokens, ""), (std::vector<Found>{}));
}

TEST(SpecialTokenFinderTest, NothingToFindFindsNothing) {
  EXPECT_EQ(find({}, "text"), (std::vector<Found>{}));
  EXPECT_EQ(find({{"", 1}}, "text"), (std::vector<Found>{}));
}

// Long tokens that share all but their last byte with the text: a search that starts over at each
// byte would need 2^38 steps.
TEST(SpecialTokenFinderTest, NearMissesCostNothingExtra) {
  const std::string run(1 << 19, 'a');
  const std::vector<SpecialToken> tokens = {{run + "b", 1}, {"c" + run + "c", 2}};
  EXPECT_EQ(find(tokens, run + run + "c"), (std::vector<Found>{}));
  EXPECT_EQ(find(tokens, run + run + "b"),
            (std::vector<Found>{{run.size(), 2 * run.size() + 1, 1}}));
}

}  // namespace
}  // namespace shoal::text
