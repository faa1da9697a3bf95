// The page against the rules of Prometheus' text format, and a few values by hand.
#include "runtime/coordinator/http/metrics_text.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace shoal::http {
namespace {

MetricsFacts facts() {
  MetricsFacts facts;
  facts.model = "a \"quoted\" name\n";
  facts.build = "b";
  facts.status.phase = coordinator::Phase::kServing;
  facts.status.running = 3;
  facts.status.blocks_used = 1;
  facts.status.blocks_total = 4;
  facts.status.ranks.resize(2);
  facts.status.ranks[0].state = facts.status.ranks[1].state = "ready";
  coordinator::RequestMetrics metrics;
  coordinator::Finished finished;
  finished.reason = coordinator::FinishReason::kMaxTokens;
  finished.usage = {.prompt_tokens = 10, .completion_tokens = 4};
  finished.timings.first_token = std::chrono::milliseconds(30);
  metrics.finished(finished);
  metrics.failed({.code = coordinator::FailureCode::kResourceExhausted});
  facts.requests = metrics.totals();
  return facts;
}

TEST(MetricsText, FollowsTheFormat) {
  MetricsFacts all = facts();
  all.vllm_names = true;
  std::istringstream page(metrics_text(all));
  const std::regex sample(
      R"(^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? -?[0-9.e+-]+$)");
  std::set<std::string> families;
  std::string family;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " comes twice";
    } else if (!line.starts_with("# HELP ")) {
      EXPECT_TRUE(std::regex_match(line, sample)) << line;
      EXPECT_TRUE(line.starts_with(family)) << line << " belongs to no family";
    }
  }
  EXPECT_GT(families.size(), 25u);
}

TEST(MetricsText, HasTheNumbers) {
  const std::string page = metrics_text(facts());
  for (const char* line :
       {"shoal_requests_running 3\n",
        "shoal_kv_cache_usage_ratio 0.25\n",
        "shoal_ranks{state=\"ready\"} 2\n",
        "shoal_requests_total{finish_reason=\"length\",code=\"ok\"} 1\n",
        "shoal_requests_total{finish_reason=\"failed\",code=\"resource_exhausted\"} 1\n",
        "shoal_time_to_first_token_seconds_bucket{le=\"0.025\"} 0\n",
        "shoal_time_to_first_token_seconds_bucket{le=\"0.05\"} 1\n",
        "shoal_time_to_first_token_seconds_count 1\n",
        "shoal_request_prompt_tokens_sum 10\n"})
    EXPECT_NE(page.find(line), std::string::npos) << line;
  EXPECT_EQ(page.find("vllm:"), std::string::npos);
}

}  // namespace
}  // namespace shoal::http
