#include "runtime/scheduler/fair_share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace shoal::scheduler {
namespace {

// One turn: of the owners whoever is before the others runs so many tokens.
const std::string& turn(FairShare& shares, const std::vector<std::string>& owners, int64_t tokens) {
  const auto& next =
      *std::min_element(owners.begin(), owners.end(), [&](const auto& a, const auto& b) {
        return shares.turn(a) < shares.turn(b);
      });
  shares.charge(next, tokens);
  return next;
}

TEST(FairShare, GivesTokensByWeight) {
  const std::vector<std::string> owners = {"a", "b", "c"};
  FairShare shares({{"b", 2}, {"c", 0.5}});
  for (const auto& owner : owners) shares.begin(owner);
  std::map<std::string, double> ran;
  std::mt19937 random(7);
  std::uniform_int_distribution<int64_t> size(1, 512);
  for (int i = 0; i < 20'000; ++i) {
    const int64_t tokens = size(random);
    ran[turn(shares, owners, tokens)] += static_cast<double>(tokens);
    // The bound of the virtual token counter: always-busy owners differ by at most one turn over
    // the lightest weight, 512 / 0.5.
    for (const auto& one : owners)
      for (const auto& other : owners)
        ASSERT_LE(ran[one] / shares.weight(one) - ran[other] / shares.weight(other), 1024) << i;
  }
}

TEST(FairShare, DoesNotSaveIdlenessUp) {
  FairShare shares;
  shares.begin("busy");
  shares.charge("busy", 10'000);
  shares.begin("late");
  EXPECT_EQ(shares.counter("late"), 10'000) << "level with who works, not 10,000 tokens ahead";
  shares.charge("late", 500);
  shares.end("late");
  shares.charge("busy", 100);
  shares.begin("late");
  EXPECT_EQ(shares.counter("late"), 10'500) << "what it had beyond the others it keeps";
  EXPECT_LT(shares.turn("busy"), shares.turn("late"));
}

TEST(FairShare, TakesTurnsWhereNobodyOverlaps) {
  // One at a time: each ends before the next runs, both always wait.
  FairShare shares;
  std::map<std::string, int> turns;
  shares.begin("a");
  shares.begin("b");
  for (int i = 0; i < 100; ++i) {
    const std::string next = shares.turn("b") < shares.turn("a") ? "b" : "a";
    ++turns[next];
    shares.charge(next, 64);
    shares.begin(next);  // its next one waits already
    shares.end(next);
  }
  EXPECT_EQ(turns["a"], 50);
  EXPECT_EQ(turns["b"], 50);
}

TEST(FairShare, ForgetsWhoDoesNotMatter) {
  FairShare shares;
  for (int i = 0; i < 1000; ++i) {
    const std::string owner = std::to_string(i);
    shares.begin(owner);
    shares.charge(owner, 100);
    shares.end(owner);
    EXPECT_LE(shares.num_owners(), 1u);
  }
  EXPECT_EQ(shares.counter("somebody else"), 100'000);
}

}  // namespace
}  // namespace shoal::scheduler
