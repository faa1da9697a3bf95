// The distance of log-probabilities from saved ones, over many positions. KL(base || ours), both
// clipped at the base file's range below their likeliest token and normalised.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace shoal::launch {

double kl_divergence(std::span<const float> base, std::span<const float> ours);

class KlSummary {
 public:
  // `token` is the one that really followed.
  void add(std::span<const float> base, std::span<const float> ours, int32_t token);

  struct Result {
    double mean = 0, median = 0, p99 = 0, max = 0;
    double same_top = 0;  // share of positions with the same likeliest token
    double base_perplexity = 0;
  };
  Result result() const;  // at least one position was added

 private:
  std::vector<double> divergences_;
  int64_t same_top_ = 0;
  double base_nll_ = 0;
};

}  // namespace shoal::launch
