#include "launch/bench_table.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace shoal::launch {
namespace {

using testing::HasSubstr;

BenchResult decode() { return {0, 128, 1, {10, 12, 14}, 1e9}; }

TEST(BenchTable, AveragesAndSpreadsLikeLlamaBench) {
  EXPECT_EQ(decode().avg_ts(), 12);
  EXPECT_EQ(decode().stddev_ts(), 2);  // of a sample: sqrt((4 + 0 + 4) / 2)
  EXPECT_EQ((BenchResult{512, 0, 1, {7}, 0}.stddev_ts()), 0);
}

TEST(BenchTable, NamesTests) {
  EXPECT_EQ(decode().test(), "tg128");
  EXPECT_EQ((BenchResult{512, 0, 1, {1}, 0}.test()), "pp512");
  EXPECT_EQ((BenchResult{0, 32, 8, {1}, 0}.test()), "tg32 x 8");
}

TEST(BenchTable, JsonHasLlamaBenchsKeys) {
  BenchHead head;
  head.read_bandwidth = 24e9;
  const auto list = nlohmann::json::parse(bench_json(head, {decode()}));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["n_prompt"], 0);
  EXPECT_EQ(list[0]["n_gen"], 128);
  EXPECT_EQ(list[0]["n_parallel"], 1);
  EXPECT_EQ(list[0]["avg_ts"], 12);
  EXPECT_EQ(list[0]["stddev_ts"], 2);
  EXPECT_EQ(list[0]["bandwidth_share"], 0.5);  // 12 tokens of 1 GB a second out of 24
}

TEST(BenchTable, MarkdownAndCsvHoldTheNumbers) {
  EXPECT_THAT(bench_markdown({}, {decode()}), HasSubstr("12.00 ± 2.00"));
  const std::string csv = bench_csv({}, {decode(), decode()});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_THAT(csv, HasSubstr("n_prompt,n_gen,n_parallel"));
}

}  // namespace
}  // namespace shoal::launch
