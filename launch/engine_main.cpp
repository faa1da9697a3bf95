// shoal-engine: the engine under a bare mpirun, without coordinator and gRPC.
//   mpirun -np 2 shoal-engine greedy -m model.gguf -p "A mutex is"
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "launch/engine/engine_commands.h"
#include "launch/program.h"
#include "transport/mpi_comm.h"
#include "transport/mpi_environment.h"

int main(int argc, char** argv) {
  using namespace shoal;
  std::signal(SIGPIPE, SIG_IGN);
  return launch::run_program([&] {
    transport::MpiEnvironment mpi(argc, argv);
    {
      transport::MpiComm comm;
      launch::Commands commands;
      commands.push_back(launch::make_engine_greedy(comm));
      commands.push_back(launch::make_engine_replay(comm));
      commands.push_back(launch::make_engine_bench(comm));
      commands.push_back(launch::make_engine_perplexity(comm));
      const int code = launch::run_program([&] {
        return launch::run_command_line("shoal-engine",
                                        "the engine of shoal on the ranks of this mpirun",
                                        commands,
                                        std::vector<std::string>(argv + 1, argv + argc));
      });
      std::fflush(stdout);
      // A rank that failed leaves its peers waiting: none of them can finalize.
      if (code != 0) _exit(code);
    }
    mpi.leave_cleanly();
    return 0;
  });
}
