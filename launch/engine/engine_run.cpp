#include "launch/engine/engine_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "launch/program.h"
#include "loader/io/model_files.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/device/device_facts.h"
#include "runtime/engine/file_agreement.h"
#include "runtime/engine/worker.h"
#include "sharding/planner.h"
#include "transport/nccl_world.h"

namespace shoal::launch {

namespace {

// Left to the CUDA runtime, recorded steps and staging.
constexpr uint64_t kDeviceReserve = uint64_t{1} << 30;

// For the slowest rank to have looked at its files.
constexpr std::chrono::minutes kHeadersTimeout{2};

// The smallest of what the ranks say. Collective.
uint64_t least_of_ranks(transport::HostComm& comm, uint64_t own) {
  std::vector<uint64_t> all(static_cast<size_t>(comm.size()), own);
  std::vector<transport::Request> requests;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (rank == comm.rank()) continue;
    requests.push_back(comm.irecv(
        rank,
        transport::Tag::kControl,
        std::as_writable_bytes(std::span<uint64_t>(&all[static_cast<size_t>(rank)], 1))));
    requests.push_back(comm.isend(
        rank, transport::Tag::kControl, std::as_bytes(std::span<const uint64_t>(&own, 1))));
  }
  transport::wait_all(requests, Deadline::after(kHeadersTimeout));
  return *std::min_element(all.begin(), all.end());
}

// What all ranks compute with, which they must plan alike for.
struct Machine {
  Backend backend = Backend::kCpu;
  std::string gpu;                     // its name; empty on the CPU
  std::optional<uint64_t> gpu_memory;  // for each rank
};

Machine agree_on_machine(const ClusterOptions& shape, transport::HostComm& comm) {
  std::string reason;
  const bool several = transport::has_nccl(reason);
  if (shape.backend == "cuda" && comm.size() > 1 && !several) throw Error(ExitCode::kUsage, reason);
  const int ranks_here = host_place(comm.size()).ranks_on_host;
  const bool fits =
      shape.backend == "auto" && (comm.size() == 1 || several) && ranks_here <= device::num_gpus();
  Machine machine;
  if (shape.backend != "cuda" && least_of_ranks(comm, fits ? 1 : 0) == 0) return machine;
  device::choose_gpu(host_place(comm.size()).local_rank);
  const device::DeviceFacts gpu = device::gpu_facts();
  const auto sharing = static_cast<uint64_t>((ranks_here - 1) / device::num_gpus() + 1);
  const uint64_t part = gpu.free_bytes / sharing;
  machine.backend = Backend::kCuda;
  machine.gpu = gpu.name;
  machine.gpu_memory = least_of_ranks(comm, part - std::min(part, kDeviceReserve));
  if (comm.rank() == 0) fmt::print(stderr, "backend: cuda, {}\n", gpu.name);
  return machine;
}

// What this rank makes of its files.
EngineModel open_here(const ModelOptions& model,
                      const ClusterOptions& shape,
                      const Machine& machine,
                      int world_size) {
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
  result.backend = spec.backend = machine.backend;
  result.device = machine.gpu;
  if (!spec.memory_per_rank) spec.memory_per_rank = machine.gpu_memory;
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
  const Machine machine = agree_on_machine(shape, comm);
  EngineModel result;
  engine::agree_after(comm, Deadline::after(kHeadersTimeout), [&] {
    result = open_here(model, shape, machine, comm.size());
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
