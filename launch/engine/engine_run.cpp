#include "launch/engine/engine_run.h"

#include <fmt/format.h>

#include "launch/program.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"
#include "runtime/engine/worker.h"
#include "sharding/planner.h"

namespace shoal::launch {

EngineModel open_engine_model(const ModelOptions& model,
                              const ClusterOptions& shape,
                              int world_size) {
  if (world_size % shape.pp != 0)
    throw Error(
        ExitCode::kUsage,
        fmt::format("--pp {} does not divide the {} ranks of this mpirun", shape.pp, world_size));
  const loader::ModelFiles files = loader::open_model(model.path);
  EngineModel result;
  result.path = files.directory.shards().front().path;
  result.fingerprint = files.directory.fingerprint();
  result.config = loader::parse_model_config(files.metadata, files.directory);
  result.vocab = loader::parse_vocab(files.metadata);
  sharding::ClusterSpec spec = shape.spec();
  spec.ep_per_stage.assign(static_cast<size_t>(shape.pp), world_size / shape.pp);
  auto planned = sharding::plan_shards(files.directory, result.config, spec);
  if (const auto* refusal = std::get_if<sharding::Refusal>(&planned))
    throw Error(refusal->usage ? ExitCode::kUsage : ExitCode::kDoesNotFit, refusal->reason);
  result.shards = std::move(std::get<sharding::ShardPlan>(planned));
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
