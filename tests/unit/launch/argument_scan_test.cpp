#include "launch/command_line/argument_scan.h"

#include <gmock/gmock.h>

#include "launch/command_line/nearest_name.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using Words = std::vector<std::string>;

const std::vector<OptionSet::Flag> kFlags = {{"", "ranks", true},
                                             {"n", "", true},
                                             {"", "predict", true},
                                             {"p", "", true},
                                             {"", "parallel", true},
                                             {"", "json", false},
                                             {"", "npl", true},
                                             {"v", "", false}};

std::string complaint(const Words& words) {
  try {
    scan_arguments(words, kFlags);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(ArgumentScan, RewritesLongNamesBehindOneDash) {
  EXPECT_EQ(scan_arguments(Words{"-np", "4", "-n64", "--json"}, kFlags),
            (Words{"--parallel", "4", "-n64", "--json"}));
  EXPECT_EQ(scan_arguments(Words{"-npl=1,8"}, kFlags), Words{"--npl=1,8"});
}

TEST(ArgumentScan, LeavesValuesAlone) {
  const Words words = {"-p", "-ngl", "--predict", "--rank", "-n", "-1"};
  EXPECT_EQ(scan_arguments(words, kFlags), words);
  const Words after_dashes = {"--json", "--", "-ngl", "--rank"};
  EXPECT_EQ(scan_arguments(after_dashes, kFlags), after_dashes);
}

TEST(ArgumentScan, SuggestsTheNearestFlag) {
  EXPECT_EQ(complaint({"--rank", "3"}), "unknown flag --rank (did you mean '--ranks'?)");
  EXPECT_EQ(complaint({"--zzzzzz"}), "unknown flag --zzzzzz");
}

TEST(ArgumentScan, SaysWhatToUseInsteadOfForeignFlags) {
  for (const char* flag : {"-ngl", "-sm", "--tensor-split", "--mlock"})
    EXPECT_THAT(complaint({flag, "99"}),
                testing::StartsWith(std::string(flag) + " has no meaning"));
}

TEST(NearestName, CountsASwapOfNeighboursOnce) {
  const Words known = {"serve", "status"};
  EXPECT_EQ(nearest_name("sevre", known), "serve");
  EXPECT_EQ(nearest_name("bench", known), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 's'), known), "");
}

}  // namespace
}  // namespace shoal::launch
