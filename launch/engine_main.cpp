// shoal-engine: the engine under a bare mpirun, without coordinator and gRPC.
//   mpirun -np 2 shoal-engine greedy -m model.gguf -p "A mutex is"
// Without mpirun it is one rank, and MPI is not set up at all.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "launch/engine/engine_commands.h"
#include "launch/program.h"
#include "loader/io/lost_mapping.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/engine/file_agreement.h"
#include "transport/loopback_comm.h"
#include "transport/mpi_comm.h"
#include "transport/mpi_environment.h"

namespace {

using namespace shoal;

constexpr std::chrono::seconds kTimeToPrint{2};

int run_engine(transport::HostComm& comm, const std::vector<std::string>& arguments) {
  launch::Commands commands;
  commands.push_back(launch::make_engine_greedy(comm));
  commands.push_back(launch::make_engine_replay(comm));
  commands.push_back(launch::make_engine_bench(comm));
  commands.push_back(launch::make_engine_perplexity(comm));
  loader::watch_mappings([rank = comm.rank()](const std::string& message) {
    fmt::print(stderr, "{} (rank {})\n", message, rank);
    _exit(static_cast<int>(ExitCode::kBadModel));
  });
  const int code = launch::run_program([&] {
    try {
      return launch::run_command_line(
          "shoal-engine", "the engine of shoal on the ranks of this mpirun", commands, arguments);
    } catch (const engine::SharedVerdict& verdict) {
      if (comm.rank() == 0) throw;
      // Rank 0 prints it. The first rank to leave makes mpirun end the others.
      std::this_thread::sleep_for(kTimeToPrint);
      return static_cast<int>(verdict.code());
    }
  });
  std::fflush(stdout);
  return code;
}

// What Open MPI, MPICH and Slurm tell the processes that they start.
bool started_as_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"})
    if (env_value(name)) return true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return launch::run_program([&] {
    if (!started_as_rank()) {  // alone: MPI has nothing to do, and need not be set up here
      const auto world = transport::make_loopback_world(1);
      return run_engine(*world.front(), arguments);
    }
    transport::MpiEnvironment mpi(argc, argv);
    {
      transport::MpiComm comm;
      const int code = run_engine(comm, arguments);
      // A rank that failed leaves its peers waiting: none of them can finalize.
      if (code != 0) _exit(code);
    }
    mpi.leave_cleanly();
    return 0;
  });
}
