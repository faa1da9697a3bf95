#include "launch/cluster.h"

#include <thread>
#include <utility>

#include "launch/control_address.h"
#include "launch/external_launcher.h"
#include "launch/job_token.h"
#include "launch/mpirun_launcher.h"
#include "launch/program.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/coordinator/access/job_certificates.h"
#include "sharding/planner.h"

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

sharding::ShardPlan plan_or_refuse(const coordinator::ServedModel& model,
                                   const ClusterOptions& shape) {
  auto planned = sharding::plan_shards(model.directory, model.config, shape.spec());
  if (auto* plan = std::get_if<sharding::ShardPlan>(&planned)) return std::move(*plan);
  const auto& refusal = std::get<sharding::Refusal>(planned);
  throw Error(refusal.usage ? ExitCode::kUsage : ExitCode::kDoesNotFit, refusal.reason);
}

coordinator::CoordinatorConfig coordinator_config(const ClusterConfig& config) {
  coordinator::CoordinatorConfig result;
  result.plan = plan_or_refuse(*config.model, config.shape);
  result.max_sequences = config.shape.max_sequences;
  result.max_batch_tokens = config.shape.max_batch_tokens;
  result.max_queue = config.max_queue;
  if (config.access.keys) result.owner_weights = config.access.keys->weights();
  result.num_threads = config.shape.threads;
  // Workers that the user starts get their token from the user, if there is one already.
  result.job_token = config.shape.launcher == "external" ? read_worker_env().job_token : "";
  if (result.job_token.empty()) result.job_token = make_job_token();
  result.build = build_id();
  result.journal_path = config.journal_path;
  result.journal_fsync = config.journal_fsync;
  result.startup_timeout = config.startup_timeout;
  result.restart_budget = config.is_private ? 0 : config.max_restarts;
  return result;
}

// What workers dial: a Unix socket, or one address of this machine where they come from others.
struct ControlPlace {
  std::string address, name;
};

ControlPlace control_place(const HostNetwork& hosts, const std::string& folder) {
  // gRPC calls whoever answers on a Unix socket localhost.
  if (!hosts.beyond_this_machine()) return {"unix:" + folder + "/control", "localhost"};
  const std::string host =
      hosts.control_host.empty() ? address_towards(hosts.rank_hosts) : hosts.control_host;
  return {with_port(host, 0), host};
}

std::unique_ptr<Launcher> make_launcher(const ClusterOptions& shape,
                                        WorkerContact contact,
                                        const std::string& folder) {
  const std::string worker = program_folder() + "/shoal-worker";
  if (shape.launcher == "external")
    return std::make_unique<ExternalLauncher>(std::move(contact), worker, folder);
  return std::make_unique<MpirunLauncher>(
      MpirunConfig{"mpirun", worker, std::move(contact), shape.hosts});
}

}  // namespace

Cluster::Cluster(const ClusterConfig& config) : folder_(PrivateDirectory::base_for_sockets()) {
  coordinator_ =
      std::make_unique<coordinator::Coordinator>(coordinator_config(config), config.model);
  requests_ = std::make_unique<coordinator::CoordinatorDoor>(*coordinator_);
  front_ = std::make_unique<coordinator::FrontDoor>(*requests_);
  const std::string grpc_address =
      config.grpc_address.empty() ? "unix:" + folder_.path() + "/api" : config.grpc_address;
  grpc_ = std::make_unique<coordinator::GrpcDoor>(
      coordinator::GrpcDoorOptions{
          grpc_address, config.reflection, config.access, &front_->ledger()},
      *front_);
  const ControlPlace place = control_place(config.shape.hosts, folder_.path());
  const access::JobCertificates job = access::make_job_certificates({place.name});
  control_ =
      std::make_unique<coordinator::GrpcControlDoor>(place.address, job.coordinator, *coordinator_);
  launcher_ = make_launcher(
      config.shape,
      {control_->address(), coordinator_->config().job_token, job.worker.to_line(), config.verbose},
      folder_.path());
  coordinator_->start(*control_);
}

// The coordinator sends through the control door until it is gone, and the door delivers to the
// coordinator until it is shut down.
Cluster::~Cluster() {
  grpc_->shut_down(Deadline::after(1s));
  control_->shut_down();
}

Outcome Cluster::supervise(SignalWatch& signals,
                           const std::function<bool()>& finished,
                           std::chrono::milliseconds drain_time) {
  return Supervisor(*coordinator_, *launcher_, signals).run(finished, drain_time);
}

void Cluster::wait_until_ready() {
  while (true) {
    const coordinator::ClusterStatus status = coordinator_->status();
    switch (status.phase) {
      case coordinator::Phase::kServing:
        return;
      case coordinator::Phase::kFailed:
        throw Error(static_cast<ExitCode>(status.exit_code), status.message);
      case coordinator::Phase::kDraining:
      case coordinator::Phase::kStopped:
        throw Error(ExitCode::kStartup, "stopped before the ranks were ready");
      case coordinator::Phase::kStarting:
      case coordinator::Phase::kRecovering:
        break;
    }
    std::this_thread::sleep_for(2ms);
  }
}

}  // namespace shoal::launch
