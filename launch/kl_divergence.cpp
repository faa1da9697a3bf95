#include "launch/kl_divergence.h"

#include <algorithm>
#include <cmath>

#include "launch/logits_file.h"
#include "runtime/base/check.h"

namespace shoal::launch {
namespace {

struct Clipped {
  explicit Clipped(std::span<const float> log_probs)
      : floor(*std::max_element(log_probs.begin(), log_probs.end()) - kLogitsFileRange) {
    double sum = 0;
    for (const float x : log_probs) sum += std::exp(value(x));
    log_sum = std::log(sum);
  }
  double value(float x) const { return static_cast<double>(std::max(x, floor)); }

  float floor;
  double log_sum = 0;
};

int64_t likeliest(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

}  // namespace

double kl_divergence(std::span<const float> base, std::span<const float> ours) {
  SHOAL_ASSERT(base.size() == ours.size(), "{} and {}", base.size(), ours.size());
  const Clipped p(base);
  const Clipped q(ours);
  double sum = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    const double log_p = p.value(base[i]) - p.log_sum;
    sum += std::exp(log_p) * (log_p - (q.value(ours[i]) - q.log_sum));
  }
  return sum;
}

void KlSummary::add(std::span<const float> base, std::span<const float> ours, int32_t token) {
  divergences_.push_back(kl_divergence(base, ours));
  if (likeliest(base) == likeliest(ours)) ++same_top_;
  base_nll_ -= static_cast<double>(base[static_cast<size_t>(token)]);
}

KlSummary::Result KlSummary::result() const {
  SHOAL_ASSERT(!divergences_.empty(), "no positions");
  std::vector<double> sorted = divergences_;
  std::sort(sorted.begin(), sorted.end());
  const size_t count = sorted.size();
  Result result;
  for (const double divergence : sorted) result.mean += divergence / static_cast<double>(count);
  result.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
  result.p99 = sorted[(count - 1) * 99 / 100];
  result.max = sorted.back();
  result.same_top = static_cast<double>(same_top_) / static_cast<double>(count);
  result.base_perplexity = std::exp(base_nll_ / static_cast<double>(count));
  return result;
}

}  // namespace shoal::launch
