// What travels between the coordinator and a rank, and the codec. Values only: no pointers, no
// addresses, no code. The decoder trusts nothing: every count is checked against the bytes left.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/plan/step_plan.h"
#include "sharding/shard_plan.h"

namespace shoal::control {

// First message of a rank. The job token proves that the coordinator's launcher started it.
struct Hello {
  std::string job_token;
  plan::Epoch epoch = 0;
  int rank = 0;
  int world_size = 0;
  std::string host;
  int64_t pid = 0;
  std::string build;  // must equal the coordinator's
  bool operator==(const Hello&) const = default;
};

// The answer: what to load and how to run. Sent once every rank of the epoch has said Hello.
struct Welcome {
  plan::Epoch epoch = 0;
  std::string model_path;          // as the coordinator opened it
  uint64_t model_fingerprint = 0;  // TensorDirectory::fingerprint(): the same files everywhere
  sharding::ShardPlan plan;
  int num_threads = 0;  // per rank; 0: the rank's share of its host's cores
  int64_t step_timeout_ms = 30'000;
  bool operator==(const Welcome&) const = default;
};

struct Leave {
  std::string reason;
  bool operator==(const Leave&) const = default;
};

struct Heartbeat {
  plan::Epoch epoch = 0;
  plan::StepId last_step = 0;  // of the step loop, so that a stuck loop does not look alive
  bool operator==(const Heartbeat&) const = default;
};

struct LoadProgress {
  plan::Epoch epoch = 0;
  int rank = 0;
  uint64_t bytes_done = 0, bytes_total = 0;
  bool ready = false;
  std::string kernels;                                           // "avx2"
  std::vector<std::pair<std::string, uint64_t>> bytes_by_class;  // the ledger, when ready
  uint64_t expert_bytes = 0;                                     // resident routed experts
  bool operator==(const LoadProgress&) const = default;
};

// The rank is about to exit with this code.
struct RankFailure {
  plan::Epoch epoch = 0;
  int rank = 0;
  int exit_code = 1;
  std::string message;
  bool operator==(const RankFailure&) const = default;
};

using ToWorker = std::variant<Welcome, plan::StepPlan, Leave, Heartbeat>;
using ToCoordinator = std::variant<Hello, LoadProgress, plan::StepResult, RankFailure, Heartbeat>;

std::vector<std::byte> encode(const ToWorker& message);
std::vector<std::byte> encode(const ToCoordinator& message);

// Empty when the bytes are not exactly one message.
std::optional<ToWorker> decode_to_worker(std::span<const std::byte> bytes);
std::optional<ToCoordinator> decode_to_coordinator(std::span<const std::byte> bytes);

}  // namespace shoal::control
