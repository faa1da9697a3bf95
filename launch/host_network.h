// Where the ranks of a job run and how its hosts reach each other.
#pragma once
#include <string>
#include <vector>

namespace shoal::launch {

struct HostNetwork {
  std::vector<std::string> rank_hosts;  // one name a rank; empty: all on this machine
  std::string control_host;  // this machine's address for workers; empty: found, if needed
  std::string launch_agent;  // what mpirun runs instead of ssh; empty: ssh
  std::string interface;     // that ranks talk over, or a CIDR block; empty: MPI's choice

  bool beyond_this_machine() const { return !rank_hosts.empty() || !control_host.empty(); }
};

}  // namespace shoal::launch
