// One rank's life: say Hello, load what the Welcome's ShardPlan gives it, run plans until told to
// leave. Collective over the ranks of the job: each calls it once, with its own PlanSource.
#pragma once
#include <cstdint>
#include <string>

#include "runtime/control/plan_source.h"
#include "transport/host_comm.h"

namespace shoal::engine {

struct WorkerIdentity {
  std::string job_token;
  plan::Epoch epoch = 0;
  std::string host;
  std::string build;
  int ranks_on_host = 1;  // to share the host's cores
};

// Returns when told to leave. Throws Error (a bad file, a lost peer); the caller then reports a
// RankFailure through the source and leaves with _exit, since survivors may still need MPI.
void run_worker(control::PlanSource& source,
                transport::HostComm& comm,
                const WorkerIdentity& identity);

}  // namespace shoal::engine
