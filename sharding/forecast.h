// How fast a plan should load and run: bytes over rates, plus what layers and messages cost apart
// from their bytes. A forecast of averages (routing at random, steady state), never a promise; the
// assumptions say where each rate comes from. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "loader/format/model_config.h"
#include "sharding/layout.h"
#include "sharding/shard_plan.h"

namespace shoal::sharding {

// Where the time of a step goes. The largest is the limit.
enum class StepPart : uint8_t {
  kDense,
  kExperts,
  kCache,
  kArithmetic,
  kLaunches,
  kExchange,
  kHops
};
inline constexpr size_t kNumStepParts = 7;
const char* step_part_name(StepPart part);  // "reading dense weights"

struct StepTime {
  std::array<double, kNumStepParts> seconds = {};

  double& operator[](StepPart part) { return seconds[static_cast<size_t>(part)]; }
  double operator[](StepPart part) const { return seconds[static_cast<size_t>(part)]; }
  double total() const;
  StepPart limit() const;
};

struct Rate {
  double tokens_per_second = 0;
  StepPart limit = StepPart::kDense;
  StepTime parts;  // of the step that decides: all stages for one sequence, else the slowest one
};

struct Forecast {
  double load_seconds = 0;
  std::string load_limit;  // "the shared disk"
  Rate one;                // decode, one sequence alone
  Rate batch;              // decode, over `sequences` at once
  int sequences = 0;
  Rate prompt;   // prefill of one long prompt
  Rate prompts;  // prefill of as many prompts as keep every rank busy
};

struct ForecastInputs {
  const loader::TensorDirectory& directory;
  const loader::ModelConfig& config;
  const ClusterHardware& hardware;
};

// `layout` is where the ranks of `plan` sit. `sequences` of 1 or more decode together.
Forecast forecast(const ForecastInputs& inputs,
                  const Layout& layout,
                  const ShardPlan& plan,
                  int sequences);

// One line each, with the numbers.
std::vector<std::string> forecast_assumptions(const ClusterHardware& hardware);

}  // namespace shoal::sharding
