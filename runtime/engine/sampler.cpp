#include "runtime/engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/base/check.h"

namespace shoal::engine {
namespace {

struct Candidate {
  float logit;
  int32_t id;
  float probability;
};

bool comes_first(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

std::vector<Candidate> candidates_of(std::span<const float> logits, MaskedIds masked) {
  std::vector<Candidate> out;
  out.reserve(logits.size());
  auto next_masked = masked.begin();
  for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
    if (next_masked != masked.end() && *next_masked == id) {
      ++next_masked;
      continue;
    }
    out.push_back({logits[static_cast<size_t>(id)], id, 0});
  }
  return out;
}

// Softmax over the candidates that are left, largest first.
void set_probabilities(std::vector<Candidate>& candidates, float temperature) {
  const float top = candidates.front().logit;
  double sum = 0;
  for (Candidate& candidate : candidates) {
    candidate.probability = std::exp((candidate.logit - top) / temperature);
    sum += candidate.probability;
  }
  for (Candidate& candidate : candidates)
    candidate.probability = static_cast<float>(candidate.probability / sum);
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p) {
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].probability;
    if (sum >= top_p) {
      candidates.resize(i + 1);
      return;
    }
  }
}

void keep_min_p(std::vector<Candidate>& candidates, float min_p) {
  const float limit = candidates.front().probability * min_p;
  while (candidates.size() > 1 && candidates.back().probability < limit) candidates.pop_back();
}

}  // namespace

float uniform_at(uint64_t seed, uint64_t position) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  std::array<uint32_t, 4> counter = {
      static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0};
  std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return static_cast<float>(counter[0] >> 8) * 0x1p-24f;
}

double log_sum_exp(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

int32_t argmax_token(std::span<const float> logits, MaskedIds masked) {
  int32_t best = -1;
  float best_logit = -std::numeric_limits<float>::infinity();
  auto next_masked = masked.begin();
  for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
    if (next_masked != masked.end() && *next_masked == id) {
      ++next_masked;
      continue;
    }
    if (best < 0 || logits[static_cast<size_t>(id)] > best_logit) {
      best = id;
      best_logit = logits[static_cast<size_t>(id)];
    }
  }
  SHOAL_ASSERT(best >= 0, "all {} ids are masked", logits.size());
  return best;
}

int32_t sample_token(std::span<const float> logits,
                     const plan::SamplingParams& params,
                     int64_t position,
                     MaskedIds masked) {
  if (params.temperature <= 0 || params.top_k == 1) return argmax_token(logits, masked);
  std::vector<Candidate> candidates = candidates_of(logits, masked);
  SHOAL_ASSERT(!candidates.empty(), "all {} ids are masked", logits.size());
  const size_t keep = params.top_k > 0
                          ? std::min(candidates.size(), static_cast<size_t>(params.top_k))
                          : candidates.size();
  std::partial_sort(candidates.begin(),
                    candidates.begin() + static_cast<std::ptrdiff_t>(keep),
                    candidates.end(),
                    comes_first);
  candidates.resize(keep);
  set_probabilities(candidates, params.temperature);
  if (params.top_p < 1) keep_top_p(candidates, params.top_p);
  if (params.min_p > 0) keep_min_p(candidates, params.min_p);

  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.probability;
  const double target =
      static_cast<double>(uniform_at(params.seed, static_cast<uint64_t>(position))) * total;
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.probability;
    if (target < sum) return candidate.id;
  }
  return candidates.back().id;
}

}  // namespace shoal::engine
