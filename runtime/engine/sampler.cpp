#include "runtime/engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

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

// What may not be produced. Asked for rising ids, each once.
class Bans {
 public:
  Bans(const SamplerInput& input, std::span<const int32_t> end_ids)
      : masked_(input.masked), end_ids_(end_ids), allowed_(input.allowed) {}

  bool contains(int32_t id) {
    const bool masked = take(masked_, id);
    const bool end = take(end_ids_, id);
    return masked || end || !is_allowed(id);
  }

 private:
  static bool take(std::span<const int32_t>& rising, int32_t id) {
    while (!rising.empty() && rising.front() < id) rising = rising.subspan(1);
    return !rising.empty() && rising.front() == id;
  }
  bool is_allowed(int32_t id) const {
    if (allowed_.empty()) return true;
    const auto word = static_cast<size_t>(id) / 32;
    return word < allowed_.size() && (allowed_[word] >> (id % 32) & 1) != 0;
  }

  std::span<const int32_t> masked_, end_ids_;
  std::span<const uint32_t> allowed_;
};

// Steps 1 to 3 on a copy of the row.
void adjust(std::vector<float>& row,
            const plan::SamplingParams& params,
            const TokenHistory* history) {
  const auto known = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < row.size(); };
  for (const auto& [id, bias] : params.logit_bias)
    if (known(id)) row[static_cast<size_t>(id)] += bias;
  if (history == nullptr || !params.looks_back()) return;
  for (const auto& [id, times] : history->times_generated()) {
    if (!known(id)) continue;
    float& logit = row[static_cast<size_t>(id)];
    if (params.repetition_penalty != 1)
      logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    if (times > 0)
      logit -= static_cast<float>(times) * params.frequency_penalty + params.presence_penalty;
  }
}

std::vector<Candidate> candidates_of(std::span<const float> logits, Bans bans) {
  std::vector<Candidate> out;
  out.reserve(logits.size());
  for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id)
    if (!bans.contains(id)) out.push_back({logits[static_cast<size_t>(id)], id, 0});
  return out;
}

// The largest logit, -1 when all are banned.
int32_t largest(std::span<const float> logits, Bans bans) {
  int32_t best = -1;
  float best_logit = 0;
  for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
    if (bans.contains(id)) continue;
    const float logit = logits[static_cast<size_t>(id)];
    if (best >= 0 && !(logit > best_logit)) continue;
    best = id;
    best_logit = logit;
  }
  return best;
}

// How many candidates are sorted at first where nobody knows how many will be needed.
constexpr size_t kFirstSorted = 256;

// The order is that of comes_first in [0, end) afterwards, given that it was in [0, begin).
void sort_more(std::vector<Candidate>& candidates, size_t begin, size_t end) {
  const auto at = [&](size_t i) { return candidates.begin() + static_cast<std::ptrdiff_t>(i); };
  std::partial_sort(at(begin), at(end), candidates.end(), comes_first);
}

// Softmax over the candidates that are left.
void set_probabilities(std::vector<Candidate>& candidates, float temperature) {
  float top = candidates.front().logit;
  for (const Candidate& candidate : candidates) top = std::max(top, candidate.logit);
  double sum = 0;
  for (Candidate& candidate : candidates) {
    candidate.probability = std::exp((candidate.logit - top) / temperature);
    sum += candidate.probability;
  }
  for (Candidate& candidate : candidates)
    candidate.probability = static_cast<float>(candidate.probability / sum);
}

// Sorts as far as it has to: the prefix is short as a rule, and the vocabulary long.
void keep_top_p(std::vector<Candidate>& candidates, float top_p) {
  double sum = 0;
  size_t sorted = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(candidates.size(), std::max(kFirstSorted, 4 * sorted));
      sort_more(candidates, i, sorted);
    }
    sum += candidates[i].probability;
    if (sum >= top_p) {
      candidates.resize(i + 1);
      return;
    }
  }
}

void keep_min_p(std::vector<Candidate>& candidates, float min_p) {
  float most = 0;
  for (const Candidate& candidate : candidates) most = std::max(most, candidate.probability);
  std::erase_if(candidates, [limit = most * min_p](const Candidate& candidate) {
    return candidate.probability < limit;
  });
}

// Steps 6 to 8.
int32_t draw(std::vector<Candidate>& candidates,
             const plan::SamplingParams& params,
             int64_t position) {
  if (params.top_k > 0) {
    const size_t keep = std::min(candidates.size(), static_cast<size_t>(params.top_k));
    sort_more(candidates, 0, keep);
    candidates.resize(keep);
  }
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

std::vector<plan::TokenLogprob> likeliest(std::span<const float> logits, double log_sum, int n) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = std::min(ids.size(), static_cast<size_t>(std::max(n, 0)));
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ids.begin(), end, ids.end(), [&](int32_t a, int32_t b) {
    const float first = logits[static_cast<size_t>(a)], second = logits[static_cast<size_t>(b)];
    return first != second ? first > second : a < b;
  });
  std::vector<plan::TokenLogprob> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back({ids[i], static_cast<float>(logits[static_cast<size_t>(ids[i])] - log_sum)});
  return out;
}

int32_t sample_token(const SamplerInput& input, const plan::SamplingParams& params) {
  std::span<const float> logits = input.logits;
  std::vector<float> adjusted;
  if (!params.logit_bias.empty() || params.looks_back()) {
    adjusted.assign(logits.begin(), logits.end());
    adjust(adjusted, params, input.history);
    logits = adjusted;
  }
  const bool too_early = input.num_generated < params.min_tokens;
  const Bans bans(input, too_early ? std::span(params.end_ids) : std::span<const int32_t>());
  const Bans fewer_bans(input, {});

  if (params.temperature <= 0 || params.top_k == 1) {
    int32_t token = largest(logits, bans);
    if (token < 0) token = largest(logits, fewer_bans);
    SHOAL_ASSERT(token >= 0, "all {} ids are banned", logits.size());
    return token;
  }
  std::vector<Candidate> candidates = candidates_of(logits, bans);
  if (candidates.empty()) candidates = candidates_of(logits, fewer_bans);
  SHOAL_ASSERT(!candidates.empty(), "all {} ids are banned", logits.size());
  return draw(candidates, params, input.position);
}

}  // namespace shoal::engine
