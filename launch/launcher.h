// Starts and stops the workers' job. Main thread only. One job at a time.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "runtime/plan/step_plan.h"

namespace shoal::launch {

// What every worker is told through its environment.
struct WorkerContact {
  std::string coordinator;  // address of the control door
  std::string job_token;
  std::string credentials;  // control::LinkCredentials::to_line()
  bool verbose = false;
};

class Launcher {
 public:
  struct Ended {
    plan::Epoch epoch = 0;
    std::string how;  // "mpirun exited with code 1: ..."
  };

  virtual ~Launcher() = default;
  // Throws Error (start-up) when the job cannot be started.
  virtual void start(plan::Epoch epoch, int world_size) = 0;
  // Once for each job that ended by itself. Never blocks for long.
  virtual std::optional<Ended> poll() = 0;
  // Gives the ranks leave_time to go by themselves, then ends them. Nothing of the job is left.
  virtual void stop(std::chrono::milliseconds leave_time) = 0;
  // The same at once: streams wait for the next job, and nothing this one could say matters.
  virtual void kill() = 0;
};

}  // namespace shoal::launch
