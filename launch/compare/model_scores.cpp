#include "launch/compare/model_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"

namespace shoal::launch {
namespace {

std::vector<double> chunk_means(const std::vector<std::vector<double>>& chunks) {
  std::vector<double> means;
  for (const std::vector<double>& chunk : chunks) {
    double sum = 0;
    for (const double value : chunk) sum += value;
    means.push_back(sum / static_cast<double>(chunk.size()));
  }
  return means;
}

std::string size_words(const ModelScores& ours, const ModelScores& other) {
  if (ours.file_bytes == 0 || other.file_bytes == 0) return "";
  const double change =
      100 * (static_cast<double>(ours.file_bytes) / static_cast<double>(other.file_bytes) - 1);
  if (std::abs(change) < 0.5) return fmt::format("{} is as large as {}; ", ours.name, other.name);
  return fmt::format("{} is {:.0f} % {} than {}; ",
                     ours.name,
                     std::abs(change),
                     change < 0 ? "smaller" : "larger",
                     other.name);
}

}  // namespace

double ModelScores::bits_per_weight() const {
  return num_weights == 0
             ? 0
             : 8 * static_cast<double>(tensor_bytes) / static_cast<double>(num_weights);
}

std::vector<double> ModelScores::mean_nll() const { return chunk_means(nll); }

Estimate ModelScores::perplexity() const {
  const Estimate mean = mean_over_chunks(mean_nll());
  return {std::exp(mean.value), std::exp(mean.value) * mean.error};
}

Estimate ModelScores::mean_divergence() const { return mean_over_chunks(chunk_means(divergence)); }

Estimate ModelScores::divergence_at(double share) const {
  return over_drawn_chunks(divergence,
                           [share](std::vector<double>& all) { return quantile(all, share); });
}

Estimate ModelScores::same_top_share() const { return mean_over_chunks(chunk_means(same_top)); }

std::optional<Estimate> ModelScores::speed() const {
  if (tokens_per_second.empty()) return std::nullopt;
  double sum = 0, squares = 0;
  for (const double value : tokens_per_second) sum += value;
  const auto count = static_cast<double>(tokens_per_second.size());
  for (const double value : tokens_per_second)
    squares += (value - sum / count) * (value - sum / count);
  return Estimate{sum / count, count > 1 ? std::sqrt(squares / (count - 1)) : 0};
}

Estimate nll_difference(const ModelScores& ours, const ModelScores& other) {
  std::vector<double> difference = ours.mean_nll();
  const std::vector<double> theirs = other.mean_nll();
  SHOAL_ASSERT(difference.size() == theirs.size(), "{} {}", difference.size(), theirs.size());
  for (size_t i = 0; i < theirs.size(); ++i) difference[i] -= theirs[i];
  return mean_over_chunks(difference);
}

std::string verdict(const ModelScores& ours, const ModelScores& other) {
  const std::string size = size_words(ours, other);
  const Estimate difference = nll_difference(ours, other);
  const std::string subject = size.empty() ? ours.name + ": " : size;
  if (!std::isfinite(difference.error))
    return subject + "one chunk says nothing about noise: score more text";
  const double percent = 100 * std::expm1(difference.value);
  const double error = 100 * difference.error * std::exp(difference.value);
  const std::string figures = fmt::format("perplexity {:+.2f} % +- {:.2f} %", percent, error);
  if (std::abs(difference.value) <= difference.error)
    return fmt::format("{}the difference is within noise on this text ({})", subject, figures);
  return fmt::format("{}it is {} on this text, by more than noise ({})",
                     subject,
                     percent > 0 ? "worse" : "better",
                     figures);
}

}  // namespace shoal::launch
