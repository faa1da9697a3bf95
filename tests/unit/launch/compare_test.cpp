#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "launch/compare/compare_report.h"

namespace shoal::launch {
namespace {

using testing::HasSubstr;
using testing::Not;

// Chunks of two positions with the given means.
ModelScores scored(const std::string& name, uint64_t bytes, const std::vector<double>& means) {
  ModelScores scores;
  scores.name = name;
  scores.file_bytes = scores.tensor_bytes = bytes;
  scores.num_weights = 2 * bytes;
  for (const double mean : means) scores.nll.push_back({mean - 0.5, mean + 0.5});
  return scores;
}

void add_divergence(ModelScores& scores) {
  for (size_t chunk = 0; chunk < scores.nll.size(); ++chunk) {
    scores.divergence.push_back({0.001, 0.003});
    scores.same_top.push_back({1, 0});
  }
}

TEST(Student, IsTheTablesQuantile) {
  // From a printed table of the t distribution, two-sided 95 %.
  for (const auto& [freedom, quantile] : {std::pair{1, 12.706},
                                          {9, 2.262},
                                          {10, 2.228},
                                          {19, 2.093},
                                          {30, 2.042},
                                          {100, 1.984},
                                          {1000, 1.962}})
    EXPECT_NEAR(student_975(freedom), quantile, 0.005 * quantile) << freedom;
  EXPECT_EQ(student_975(0), std::numeric_limits<double>::infinity());
}

TEST(MeanOverChunks, HasTheTextbooksInterval) {
  // Mean 5, standard deviation sqrt(32 / 7), eight values: 2.365 * 2.1381 / sqrt(8).
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  const Estimate estimate = mean_over_chunks(values);
  EXPECT_EQ(estimate.value, 5);
  EXPECT_NEAR(estimate.error, 2.365 * std::sqrt(32.0 / 7) / std::sqrt(8.0), 1e-12);
  EXPECT_EQ(mean_over_chunks(std::vector<double>{3}).error,
            std::numeric_limits<double>::infinity());
}

TEST(OverDrawnChunks, OfTheMeanAgreesWithTheFormula) {
  std::vector<std::vector<double>> chunks;
  std::vector<double> means;
  for (int i = 0; i < 40; ++i) {
    means.push_back((i * 17) % 40);
    chunks.push_back({means.back(), means.back()});
  }
  const Estimate drawn = over_drawn_chunks(chunks, [](std::vector<double>& all) {
    double sum = 0;
    for (const double value : all) sum += value;
    return sum / static_cast<double>(all.size());
  });
  const Estimate formula = mean_over_chunks(means);
  EXPECT_NEAR(drawn.value, formula.value, 1e-12);
  // A standard deviation of 200 drawings is known to 1 / sqrt(400), 5 %; four of these.
  EXPECT_NEAR(drawn.error, formula.error, 0.2 * formula.error);
}

TEST(Quantile, OfHundredAndOneNumbers) {
  std::vector<double> values;
  for (int i = 100; i >= 0; --i) values.push_back(i);
  EXPECT_EQ(quantile(values, 0.5), 50);
  EXPECT_EQ(quantile(values, 0.99), 99);
}

TEST(Verdict, IsPairedByChunk) {
  // Chunks differ by far more than the models do, and each of B's is 0.01 worse.
  const ModelScores a = scored("A", 100, {1, 2, 3, 4});
  const ModelScores b = scored("B", 84, {1.01, 2.01, 3.01, 4.0100001});
  EXPECT_THAT(verdict(b, a), HasSubstr("B is 16 % smaller than A; it is worse on this text"));
  EXPECT_NEAR(nll_difference(b, a).value, 0.01, 1e-6);
  const ModelScores noisy = scored("C", 120, {1.1, 1.9, 3.1, 3.9});
  EXPECT_THAT(verdict(noisy, a),
              HasSubstr("C is 20 % larger than A; the difference is within noise on this text"));
  EXPECT_THAT(verdict(scored("D", 100, {1}), scored("A", 100, {1})),
              HasSubstr("D is as large as A; one chunk says nothing"));
}

TEST(ModelScores, PerplexityAndBits) {
  const ModelScores a = scored("A", 100, {1, 1, 1});
  EXPECT_NEAR(a.perplexity().value, std::exp(1.0), 1e-12);
  EXPECT_NEAR(a.perplexity().error, 0, 1e-12);
  EXPECT_EQ(a.bits_per_weight(), 4);
}

class Report : public testing::Test {
 protected:
  Report() {
    comparison_.models = {scored("<A>&\"", 100, {1, 2, 3}), scored("B", 84, {1, 2, 3})};
    add_divergence(comparison_.models[1]);
    comparison_.models[1].tokens_per_second = {10, 12};
    comparison_.base = "<A>&\"";
    comparison_.text = "t.txt";
    comparison_.n_ctx = 6;
    comparison_.num_chunks = 3;
    comparison_.rows_per_chunk = 2;
  }
  Comparison comparison_;
};

TEST_F(Report, TableHasEveryFigure) {
  const std::string table = compare_table(comparison_);
  EXPECT_THAT(table, HasSubstr("2.00e-03"));
  EXPECT_THAT(table, HasSubstr("50.00 +- 0.00 %"));
  EXPECT_THAT(table, HasSubstr("11.0 +- 1.4"));
  EXPECT_THAT(table, HasSubstr("B is 16 % smaller"));
}

TEST_F(Report, PageFetchesNothingAndEscapesNames) {
  const std::string page = compare_page(comparison_);
  EXPECT_THAT(page, HasSubstr("&lt;A&gt;&amp;&quot;"));
  EXPECT_THAT(page, Not(HasSubstr("<A>")));
  for (const char* outside : {"http:", "https:", "src=", "href=", "url(", "@import", "<script"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  EXPECT_THAT(page, HasSubstr("<polyline"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST_F(Report, OneChunkHasNoErrorBars) {
  comparison_.models = {scored("A", 100, {1}), scored("B", 100, {1})};
  add_divergence(comparison_.models[1]);
  EXPECT_THAT(compare_table(comparison_), Not(HasSubstr("inf")));
  EXPECT_THAT(compare_json(comparison_), HasSubstr("\"error\":null"));
  EXPECT_THAT(compare_page(comparison_), Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace shoal::launch
