// The main thread's loop while a coordinator lives: starts the jobs it asks for, tells it when one
// ended, drains on the first signal and gives up on the second.
#pragma once
#include <chrono>
#include <functional>
#include <string>

#include "launch/launcher.h"
#include "launch/signal_watch.h"
#include "runtime/coordinator/coordinator.h"

namespace shoal::launch {

struct Outcome {
  int exit_code = 0;
  std::string message;  // why, when exit_code is not 0
  int signal = 0;       // that asked to stop; 0: none
  bool forced = false;  // a second signal came: leave without waiting for anything
};

class Supervisor {
 public:
  Supervisor(coordinator::Coordinator& coordinator, Launcher& launcher, SignalWatch& signals)
      : coordinator_(coordinator), launcher_(launcher), signals_(signals) {}

  // Until `finished` says true, the coordinator failed or a signal came; running requests get
  // drain_time to end. `finished` is asked about fifty times a second. Afterwards no worker is
  // left. Throws Error when a job cannot be started.
  Outcome run(const std::function<bool()>& finished, std::chrono::milliseconds drain_time);

 private:
  void look_after_job();
  bool drain(std::chrono::milliseconds time);  // false: a second signal came

  coordinator::Coordinator& coordinator_;
  Launcher& launcher_;
  SignalWatch& signals_;
};

}  // namespace shoal::launch
