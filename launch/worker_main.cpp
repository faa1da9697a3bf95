// shoal-worker: one rank. Started by mpirun or srun with the coordinator's address, the job token
// and the epoch in its environment; leaves when told to, when its link closes or when mpirun dies.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <thread>

#include "launch/program.h"
#include "loader/io/lost_mapping.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/control/grpc/grpc_plan_source.h"
#include "runtime/engine/file_agreement.h"
#include "runtime/engine/worker.h"
#include "transport/mpi_comm.h"
#include "transport/mpi_environment.h"

namespace {

using namespace shoal;
using namespace std::chrono_literals;

engine::WorkerIdentity identity(const WorkerEnv& env, int world_size) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  engine::WorkerIdentity result;
  result.job_token = env.job_token;
  result.epoch = env.epoch;
  result.host = host;
  result.build = launch::build_id();
  result.ranks_on_host = host_place(world_size).ranks_on_host;
  return result;
}

// Says why to the coordinator and to stderr, and leaves without MPI_Finalize, which would wait for
// peers that may be gone.
[[noreturn]] void leave_broken(control::GrpcPlanSource& source,
                               const control::RankFailure& failure) {
  source.report(failure);
  source.close(Deadline::after(1s));
  fmt::print(stderr, "error: {}\n", failure.message);
  std::fflush(stderr);
  _exit(failure.exit_code);
}

// All ranks say the same, so rank 0 prints it; the first to leave makes mpirun end the others.
[[noreturn]] void leave_agreed(control::GrpcPlanSource& source,
                               const control::RankFailure& failure) {
  if (failure.rank == 0) leave_broken(source, failure);
  source.report(failure);
  source.close(Deadline::after(1s));
  std::this_thread::sleep_for(1s);
  _exit(failure.exit_code);
}

int run(int argc, char** argv) {
  const WorkerEnv env = read_worker_env();
  const auto credentials = control::LinkCredentials::from_line(env.credentials);
  if (env.coordinator.empty() || env.job_token.empty() || !credentials)
    throw Error(ExitCode::kUsage,
                "shoal-worker is started by `shoal serve`: SHOAL_COORDINATOR, SHOAL_JOB_TOKEN and "
                "SHOAL_JOB_CREDENTIALS are not all set");
  if (env_flag("verbose").value_or("0") == "1") log::set_level(log::Level::kInfo);
  transport::MpiEnvironment mpi(argc, argv);
  {
    transport::MpiComm comm;
    log::set_rank(comm.rank());
    control::GrpcPlanSource source(env.coordinator, *credentials, Deadline::after(10s));
    control::RankFailure failure{env.epoch, comm.rank(), 1, ""};
    loader::watch_mappings([&source, lost = failure](const std::string& message) mutable {
      lost.exit_code = static_cast<int>(ExitCode::kBadModel);
      lost.message = fmt::format("{} (rank {})", message, lost.rank);
      leave_broken(source, lost);
    });
    try {
      engine::run_worker(source, comm, identity(env, comm.size()));
    } catch (const engine::SharedVerdict& verdict) {
      failure.exit_code = static_cast<int>(verdict.code());
      failure.message = verdict.what();
      leave_agreed(source, failure);
    } catch (const Error& error) {
      failure.exit_code = static_cast<int>(error.code());
      failure.message = error.what();
      leave_broken(source, failure);
    } catch (const std::exception& error) {
      failure.message = fmt::format("rank {}: {}", comm.rank(), error.what());
      leave_broken(source, failure);
    }
    // Told to leave. Peers may be dead, and then MPI_Finalize would not return.
    std::signal(SIGALRM, [](int) { _exit(0); });
    alarm(1);
  }
  mpi.leave_cleanly();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // mpirun's death takes us along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGPIPE, SIG_IGN);
  return launch::run_program([&] { return run(argc, argv); });
}
