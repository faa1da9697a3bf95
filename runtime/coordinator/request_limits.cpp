#include "runtime/coordinator/request_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace shoal::coordinator {
namespace {

class Checks {
 public:
  void require(bool holds, const std::string& field, const std::string& description) {
    if (!holds) violations_.push_back({field, description});
  }
  std::vector<FieldViolation> take() { return std::move(violations_); }

 private:
  std::vector<FieldViolation> violations_;
};

void check_sampling(const plan::SamplingParams& sampling, Checks& checks) {
  // Written so that NaN fails.
  checks.require(sampling.temperature >= 0 && sampling.temperature <= 100,
                 "sampling.temperature",
                 fmt::format("{} is outside 0..100", sampling.temperature));
  checks.require(sampling.top_p > 0 && sampling.top_p <= 1,
                 "sampling.top_p",
                 fmt::format("{} is not above 0 and up to 1", sampling.top_p));
  checks.require(sampling.top_k >= 0,
                 "sampling.top_k",
                 fmt::format("{} is negative; 0 means no limit", sampling.top_k));
  checks.require(sampling.min_p >= 0 && sampling.min_p <= 1,
                 "sampling.min_p",
                 fmt::format("{} is outside 0..1", sampling.min_p));
  const auto check_penalty = [&](const char* field, float value) {
    checks.require(value >= -2 && value <= 2, field, fmt::format("{} is outside -2..2", value));
  };
  check_penalty("sampling.presence_penalty", sampling.presence_penalty);
  check_penalty("sampling.frequency_penalty", sampling.frequency_penalty);
  checks.require(sampling.repetition_penalty > 0 && sampling.repetition_penalty <= 100,
                 "sampling.repetition_penalty",
                 fmt::format("{} is not above 0 and up to 100", sampling.repetition_penalty));
  checks.require(
      sampling.logprobs >= -1 && sampling.logprobs <= kMaxTopLogprobs,
      "output.top_logprobs",
      fmt::format("{} is outside 0..{}", std::max(sampling.logprobs, 0), kMaxTopLogprobs));
}

void check_biases(const std::vector<plan::LogitBias>& biases, int64_t vocab_size, Checks& checks) {
  checks.require(biases.size() <= kMaxLogitBiases,
                 "sampling.logit_bias",
                 fmt::format("{} entries; at most {}", biases.size(), kMaxLogitBiases));
  for (size_t i = 0; i < std::min(biases.size(), kMaxLogitBiases); ++i) {
    const auto& [id, bias] = biases[i];
    checks.require(id >= 0 && id < vocab_size,
                   "sampling.logit_bias",
                   fmt::format("id {} is outside 0..{}", id, vocab_size - 1));
    checks.require(bias >= -100 && bias <= 100,
                   fmt::format("sampling.logit_bias[{}]", id),
                   fmt::format("{} is outside -100..100", bias));
  }
}

void check_stops(const StopRules& stop, int64_t vocab_size, Checks& checks) {
  checks.require(stop.strings.size() <= kMaxStopStrings,
                 "stop.strings",
                 fmt::format("{} strings; at most {}", stop.strings.size(), kMaxStopStrings));
  for (size_t i = 0; i < std::min(stop.strings.size(), kMaxStopStrings); ++i) {
    const size_t bytes = stop.strings[i].size();
    checks.require(bytes >= 1 && bytes <= kMaxStopStringBytes,
                   fmt::format("stop.strings[{}]", i),
                   fmt::format("{} bytes; 1 to {}", bytes, kMaxStopStringBytes));
  }
  checks.require(stop.token_ids.size() <= kMaxStopIds,
                 "stop.token_ids",
                 fmt::format("{} ids; at most {}", stop.token_ids.size(), kMaxStopIds));
  for (size_t i = 0; i < std::min(stop.token_ids.size(), kMaxStopIds); ++i) {
    const int64_t id = stop.token_ids[i];
    checks.require(id >= 0 && id < vocab_size,
                   fmt::format("stop.token_ids[{}]", i),
                   fmt::format("{} is outside 0..{}", id, vocab_size - 1));
  }
}

bool is_plain(const std::string& id) {
  return std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
}

uint64_t random_bits() {
  static thread_local std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

std::vector<FieldViolation> check_request(const GenerationRequest& request,
                                          int64_t vocab_size,
                                          const std::string& prompt_field) {
  Checks checks;
  checks.require(
      request.request_id.size() <= kMaxRequestIdChars && is_plain(request.request_id),
      "request_id",
      fmt::format("not 1 to {} printable characters without spaces", kMaxRequestIdChars));
  checks.require(!request.prompt_ids.empty(), prompt_field, "the prompt is empty");
  const auto outside = std::find_if(request.prompt_ids.begin(),
                                    request.prompt_ids.end(),
                                    [&](int64_t id) { return id < 0 || id >= vocab_size; });
  if (outside != request.prompt_ids.end()) {
    checks.require(false,
                   fmt::format("{}[{}]", prompt_field, outside - request.prompt_ids.begin()),
                   fmt::format("{} is outside 0..{}", *outside, vocab_size - 1));
  }
  check_sampling(request.sampling, checks);
  check_biases(request.sampling.logit_bias, vocab_size, checks);
  check_stops(request.stop, vocab_size, checks);
  checks.require(request.max_tokens >= 0,
                 "stop.max_tokens",
                 fmt::format("{} is negative; 0 means up to the context", request.max_tokens));
  const int64_t most = request.max_tokens > 0 ? request.max_tokens : int64_t{1} << 40;
  checks.require(request.stop.min_tokens >= 0 && request.stop.min_tokens <= most,
                 "stop.min_tokens",
                 request.stop.min_tokens < 0
                     ? fmt::format("{} is negative", request.stop.min_tokens)
                     : fmt::format("{} is above max_tokens, {}", request.stop.min_tokens, most));
  return checks.take();
}

bool check_ids(const std::string& field,
               std::span<const uint32_t> ids,
               int64_t vocab_size,
               std::vector<FieldViolation>& violations) {
  const auto outside =
      std::find_if(ids.begin(), ids.end(), [&](uint32_t id) { return int64_t{id} >= vocab_size; });
  if (outside == ids.end()) return true;
  violations.push_back({fmt::format("{}[{}]", field, outside - ids.begin()),
                        fmt::format("{} is outside 0..{}", *outside, vocab_size - 1)});
  return false;
}

Failure invalid_argument(std::vector<FieldViolation> violations) {
  Failure failure;
  failure.code = FailureCode::kInvalidArgument;
  failure.reason = "INVALID_FIELD";
  const auto& first = violations.front();
  failure.message = fmt::format("{}: {}", first.field, first.description);
  failure.violations = std::move(violations);
  return failure;
}

Failure unimplemented(const std::string& field, const std::string& what) {
  Failure failure;
  failure.code = FailureCode::kUnimplemented;
  failure.reason = "NOT_BUILT";
  failure.message = fmt::format("{}: {} is not built", field, what);
  failure.metadata = {{"field", field}};
  return failure;
}

plan::SamplingParams default_sampling(const loader::RecommendedSampling& recommended) {
  plan::SamplingParams sampling;
  sampling.temperature = recommended.temperature.value_or(1.0f);
  sampling.top_k = recommended.top_k.value_or(0);
  sampling.top_p = recommended.top_p.value_or(1.0f);
  sampling.min_p = recommended.min_p.value_or(0.0f);
  return sampling;
}

std::string random_request_id() {
  return fmt::format("{:016x}{:016x}", random_bits(), random_bits());
}

uint64_t random_seed() { return random_bits() >> 11; }

}  // namespace shoal::coordinator
