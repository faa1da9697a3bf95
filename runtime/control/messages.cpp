#include "runtime/control/messages.h"

#include "runtime/control/plan_codec.h"
#include "runtime/control/wire.h"

namespace shoal::control {
namespace {

// First byte of a message.
enum class Kind : uint8_t {
  kHello = 1,
  kWelcome,
  kStepPlan,
  kLeave,
  kHeartbeat,
  kLoadProgress,
  kStepResult,
  kRankFailure
};

Kind kind_of(const Hello&) { return Kind::kHello; }
Kind kind_of(const Welcome&) { return Kind::kWelcome; }
Kind kind_of(const plan::StepPlan&) { return Kind::kStepPlan; }
Kind kind_of(const Leave&) { return Kind::kLeave; }
Kind kind_of(const Heartbeat&) { return Kind::kHeartbeat; }
Kind kind_of(const LoadProgress&) { return Kind::kLoadProgress; }
Kind kind_of(const plan::StepResult&) { return Kind::kStepResult; }
Kind kind_of(const RankFailure&) { return Kind::kRankFailure; }

void put(ByteWriter& out, const Hello& hello) {
  out.put_string(hello.job_token);
  out.put(hello.epoch);
  out.put(hello.rank);
  out.put(hello.world_size);
  out.put_string(hello.host);
  out.put(hello.pid);
  out.put_string(hello.build);
}

Hello get_hello(ByteReader& in) {
  Hello hello;
  hello.job_token = in.get_string();
  hello.epoch = in.get<plan::Epoch>();
  hello.rank = in.get<int>();
  hello.world_size = in.get<int>();
  hello.host = in.get_string();
  hello.pid = in.get<int64_t>();
  hello.build = in.get_string();
  return hello;
}

void put(ByteWriter& out, const Welcome& welcome) {
  out.put(welcome.epoch);
  out.put_string(welcome.model_path);
  out.put(welcome.model_fingerprint);
  put(out, welcome.plan);
  out.put(welcome.num_threads);
  out.put(welcome.step_timeout_ms);
}

Welcome get_welcome(ByteReader& in) {
  Welcome welcome;
  welcome.epoch = in.get<plan::Epoch>();
  welcome.model_path = in.get_string();
  welcome.model_fingerprint = in.get<uint64_t>();
  welcome.plan = get_shard_plan(in);
  welcome.num_threads = in.get<int>();
  welcome.step_timeout_ms = in.get<int64_t>();
  return welcome;
}

void put(ByteWriter& out, const Leave& leave) { out.put_string(leave.reason); }

void put(ByteWriter& out, const Heartbeat& heartbeat) {
  out.put(heartbeat.epoch);
  out.put(heartbeat.last_step);
}

Heartbeat get_heartbeat(ByteReader& in) {
  Heartbeat heartbeat;
  heartbeat.epoch = in.get<plan::Epoch>();
  heartbeat.last_step = in.get<plan::StepId>();
  return heartbeat;
}

void put(ByteWriter& out, const LoadProgress& progress) {
  out.put(progress.epoch);
  out.put(progress.rank);
  out.put(progress.bytes_done);
  out.put(progress.bytes_total);
  out.put(static_cast<uint8_t>(progress.ready));
  out.put_string(progress.kernels);
  out.put(static_cast<uint32_t>(progress.bytes_by_class.size()));
  for (const auto& [name, bytes] : progress.bytes_by_class) {
    out.put_string(name);
    out.put(bytes);
  }
  out.put(progress.expert_bytes);
}

LoadProgress get_load_progress(ByteReader& in) {
  LoadProgress progress;
  progress.epoch = in.get<plan::Epoch>();
  progress.rank = in.get<int>();
  progress.bytes_done = in.get<uint64_t>();
  progress.bytes_total = in.get<uint64_t>();
  progress.ready = in.get_bool();
  progress.kernels = in.get_string();
  for (uint32_t left = in.get_count(12); left > 0; --left) {
    std::string name = in.get_string();
    progress.bytes_by_class.emplace_back(std::move(name), in.get<uint64_t>());
  }
  progress.expert_bytes = in.get<uint64_t>();
  return progress;
}

void put(ByteWriter& out, const RankFailure& failure) {
  out.put(failure.epoch);
  out.put(failure.rank);
  out.put(failure.exit_code);
  out.put_string(failure.message);
}

RankFailure get_rank_failure(ByteReader& in) {
  RankFailure failure;
  failure.epoch = in.get<plan::Epoch>();
  failure.rank = in.get<int>();
  failure.exit_code = in.get<int>();
  failure.message = in.get_string();
  return failure;
}

template <class Message>
std::vector<std::byte> encode_any(const Message& message) {
  ByteWriter out;
  std::visit(
      [&out](const auto& value) {
        out.put(kind_of(value));
        put(out, value);
      },
      message);
  return out.take();
}

}  // namespace

std::vector<std::byte> encode(const ToWorker& message) { return encode_any(message); }
std::vector<std::byte> encode(const ToCoordinator& message) { return encode_any(message); }

std::optional<ToWorker> decode_to_worker(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  std::optional<ToWorker> message;
  switch (static_cast<Kind>(in.get<uint8_t>())) {
    case Kind::kWelcome:
      message = get_welcome(in);
      break;
    case Kind::kStepPlan:
      message = get_step_plan(in);
      break;
    case Kind::kLeave:
      message = Leave{in.get_string()};
      break;
    case Kind::kHeartbeat:
      message = get_heartbeat(in);
      break;
    default:
      return std::nullopt;
  }
  if (!in.finished()) return std::nullopt;
  return message;
}

std::optional<ToCoordinator> decode_to_coordinator(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  std::optional<ToCoordinator> message;
  switch (static_cast<Kind>(in.get<uint8_t>())) {
    case Kind::kHello:
      message = get_hello(in);
      break;
    case Kind::kLoadProgress:
      message = get_load_progress(in);
      break;
    case Kind::kStepResult:
      message = get_step_result(in);
      break;
    case Kind::kRankFailure:
      message = get_rank_failure(in);
      break;
    case Kind::kHeartbeat:
      message = get_heartbeat(in);
      break;
    default:
      return std::nullopt;
  }
  if (!in.finished()) return std::nullopt;
  return message;
}

}  // namespace shoal::control
