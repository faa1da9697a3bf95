#include "launch/supervisor.h"

#include <atomic>
#include <memory>
#include <thread>

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

constexpr auto kTurn = 20ms;
constexpr auto kLeaveTime = 300ms;   // ranks of a failed job, told to leave, may be stuck
constexpr auto kFarewell = 1'500ms;  // ranks of a drained cluster finish MPI properly

}  // namespace

Outcome Supervisor::run(const std::function<bool()>& finished,
                        std::chrono::milliseconds drain_time) {
  Outcome outcome;
  while (true) {
    look_after_job();
    const coordinator::ClusterStatus status = coordinator_.status();
    if (status.phase == coordinator::Phase::kFailed) {
      launcher_.stop(kLeaveTime);
      outcome.exit_code = status.exit_code;
      outcome.message = status.message;
      return outcome;
    }
    if (finished()) break;
    outcome.signal = signals_.poll();
    if (outcome.signal != 0) break;
  }
  outcome.forced = !drain(outcome.signal != 0 ? drain_time : 0ms);
  launcher_.stop(outcome.forced ? 0ms : std::chrono::milliseconds(kFarewell));
  return outcome;
}

void Supervisor::look_after_job() {
  if (const auto job = coordinator_.next_job(Deadline::after(kTurn))) {
    launcher_.kill();
    launcher_.start(job->epoch, job->world_size);
  }
  if (const auto ended = launcher_.poll()) coordinator_.job_ended(ended->epoch, ended->how);
}

bool Supervisor::drain(std::chrono::milliseconds time) {
  const auto drained = std::make_shared<std::atomic<bool>>(false);
  std::thread drainer([coordinator = &coordinator_, drained, time] {
    coordinator->drain(Deadline::after(time));
    *drained = true;
  });
  while (!*drained) {
    if (signals_.poll() != 0) {
      drainer.detach();  // the caller leaves the process without destroying the coordinator
      return false;
    }
    // Streams that run may lose their ranks even now, and get new ones while there is time.
    try {
      look_after_job();
    } catch (...) {
      coordinator_.drain(Deadline::after(0ms));
      drainer.join();
      throw;
    }
  }
  drainer.join();
  return true;
}

}  // namespace shoal::launch
