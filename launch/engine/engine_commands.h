// The commands of `shoal-engine`. All are collective over the ranks of the mpirun.
#pragma once
#include <memory>

#include "launch/command_line/command.h"
#include "transport/host_comm.h"

namespace shoal::launch {

std::unique_ptr<Command> make_engine_greedy(transport::HostComm& comm);
std::unique_ptr<Command> make_engine_replay(transport::HostComm& comm);
std::unique_ptr<Command> make_engine_bench(transport::HostComm& comm);
std::unique_ptr<Command> make_engine_perplexity(transport::HostComm& comm);

}  // namespace shoal::launch
