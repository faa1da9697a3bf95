// What one model scored on a text, position by position, and the figures that follow from it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/compare/estimate.h"

namespace shoal::launch {

struct ModelScores {
  std::string name;  // as the user sees it: the file's name without folder and shard number
  uint64_t file_bytes = 0, tensor_bytes = 0, num_weights = 0;
  // [chunk][position]; nats. `divergence` and `same_top` are empty for the base itself.
  std::vector<std::vector<double>> nll, divergence, same_top;
  std::vector<double> tokens_per_second;  // one run each; empty: not measured

  double bits_per_weight() const;
  Estimate perplexity() const;  // the error: that of the mean, times the perplexity
  bool is_base() const { return divergence.empty(); }
  // The rest only where is_base() is false.
  Estimate mean_divergence() const;
  Estimate divergence_at(double share) const;
  Estimate same_top_share() const;
  std::optional<Estimate> speed() const;  // the error: the standard deviation, as bench prints it

  std::vector<double> mean_nll() const;  // of each chunk
};

// ln of the ratio of two perplexities on the same chunks, each chunk against itself.
Estimate nll_difference(const ModelScores& ours, const ModelScores& other);

// "MODEL is 16 % smaller than OTHER; the difference is within noise on this text (...)".
std::string verdict(const ModelScores& ours, const ModelScores& other);

}  // namespace shoal::launch
