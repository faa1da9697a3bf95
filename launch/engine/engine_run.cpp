#include "launch/engine/engine_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "launch/program.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"
#include "runtime/device/device_facts.h"
#include "runtime/engine/file_agreement.h"
#include "runtime/engine/worker.h"
#include "sharding/planner.h"

namespace shoal::launch {

namespace {

// Left to the CUDA runtime, recorded steps and staging.
constexpr uint64_t kDeviceReserve = uint64_t{1} << 30;

// For the slowest rank to have looked at its files.
constexpr std::chrono::minutes kHeadersTimeout{2};

Backend choose_backend(const ClusterOptions& shape, int world_size) {
  if (shape.backend == "cuda") {
    if (world_size > 1)
      throw Error(ExitCode::kUsage,
                  fmt::format("the cuda backend runs one rank in this build, not {}", world_size));
    return Backend::kCuda;
  }
  std::string reason;
  const bool fits = shape.backend == "auto" && world_size == 1;
  return fits && device::gpu_answers(reason) ? Backend::kCuda : Backend::kCpu;
}

// What this rank makes of its files.
EngineModel open_here(const ModelOptions& model, const ClusterOptions& shape, int world_size) {
  if (world_size % shape.pp != 0)
    throw Error(
        ExitCode::kUsage,
        fmt::format("--pp {} does not divide the {} ranks of this mpirun", shape.pp, world_size));
  const loader::ModelFiles files = loader::open_model(model.local_path());
  EngineModel result;
  result.path = files.directory.shards().front().path;
  result.fingerprint = files.directory.fingerprint();
  result.config = loader::parse_model_config(files.metadata, files.directory);
  result.vocab = loader::parse_vocab(files.metadata);
  for (const loader::TensorInfo& tensor : files.directory.tensors()) {
    result.weight_bytes += tensor.bytes;
    result.num_params += static_cast<uint64_t>(tensor.elements());
  }
  sharding::ClusterSpec spec = shape.spec();
  spec.ep_per_stage.assign(static_cast<size_t>(shape.pp), world_size / shape.pp);
  result.backend = spec.backend = choose_backend(shape, world_size);
  if (result.backend == Backend::kCuda) {
    const device::DeviceFacts gpu = device::gpu_facts();
    result.device = gpu.name;
    fmt::print(stderr, "backend: cuda, {}\n", gpu.name);
    if (!spec.memory_per_rank)
      spec.memory_per_rank = gpu.free_bytes - std::min(gpu.free_bytes, kDeviceReserve);
  }
  auto planned = sharding::plan_shards(files.directory, result.config, spec);
  if (const auto* refusal = std::get_if<sharding::Refusal>(&planned))
    throw Error(refusal->usage ? ExitCode::kUsage : ExitCode::kDoesNotFit, refusal->reason);
  result.shards = std::move(std::get<sharding::ShardPlan>(planned));
  return result;
}

}  // namespace

EngineModel open_engine_model(const ModelOptions& model,
                              const ClusterOptions& shape,
                              transport::HostComm& comm) {
  EngineModel result;
  engine::agree_after(comm, Deadline::after(kHeadersTimeout), [&] {
    result = open_here(model, shape, comm.size());
  });
  return result;
}

EngineTimes run_script(const EngineModel& model,
                       transport::HostComm& comm,
                       int threads,
                       std::vector<plan::StepPlan> script,
                       const std::function<void(const plan::StepResult&)>& take) {
  const size_t num_plans = script.size();
  control::Welcome welcome{.epoch = 1,
                           .model_path = model.path,
                           .model_fingerprint = model.fingerprint,
                           .plan = model.shards,
                           .num_threads = threads};
  ScriptSource source(std::move(welcome), std::move(script), take);
  engine::WorkerIdentity identity;
  identity.epoch = 1;
  identity.build = build_id();
  identity.ranks_on_host = comm.size();
  engine::run_worker(source, comm, identity);
  EngineTimes times;
  for (size_t i = 0; i < num_plans; ++i)
    times.step_seconds.push_back(
        std::chrono::duration<double>(source.taken_at(i + 1) - source.taken_at(i)).count());
  return times;
}

int reporting_rank(const sharding::RankGrid& grid) { return grid.owner(grid.num_stages() - 1, 0); }

}  // namespace shoal::launch
