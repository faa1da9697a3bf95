#include "launch/private_cluster.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <thread>

#include "launch/program.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

// The command's own thread, and how it ended.
class Work {
 public:
  Work(Cluster& cluster, const std::function<int(Cluster&)>& work)
      : thread_([this, &cluster, &work] {
          try {
            cluster.wait_until_ready();
            code_ = work(cluster);
          } catch (...) {
            thrown_ = std::current_exception();
          }
          finished_ = true;
        }) {}
  ~Work() {
    if (thread_.joinable()) thread_.join();
  }

  bool finished() const { return finished_; }
  bool wait(std::chrono::milliseconds timeout) const {
    for (const Deadline deadline = Deadline::after(timeout); !finished_;) {
      if (deadline.passed()) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }
  int result() const {
    if (thrown_) std::rethrow_exception(thrown_);
    return code_;
  }

 private:
  std::atomic<bool> finished_ = false;
  int code_ = 0;
  std::exception_ptr thrown_;
  std::thread thread_;
};

void throw_if_bad(const Outcome& outcome) {
  if (outcome.exit_code != 0)
    throw Error(static_cast<ExitCode>(outcome.exit_code), outcome.message);
  if (outcome.signal != 0)
    throw Error(ExitCode::kRequest, fmt::format("stopped by {}", strsignal(outcome.signal)));
}

}  // namespace

int run_on_private_cluster(ClusterConfig config, const std::function<int(Cluster&)>& work) {
  config.is_private = true;
  // Nothing is served to others, so what the coordinator warns of ends up in the one error line.
  if (!config.verbose) log::set_level(log::Level::kError);
  SignalWatch signals;
  Cluster cluster(config);
  Work running(cluster, work);
  const auto leave = [&](const std::function<void()>& how) {
    cluster.remove_folder();
    const int code = run_program([&] {
      how();
      return 0;
    });
    std::fflush(stdout);
    _exit(code);
  };
  Outcome outcome;
  try {
    outcome = cluster.supervise(
        signals, [&] { return running.finished(); }, 0ms);
  } catch (const Error&) {
    // No job could be started; the work still waits for one.
    const std::exception_ptr error = std::current_exception();
    leave([&] { std::rethrow_exception(error); });
  }
  // A command that reads a terminal cannot be woken.
  if (outcome.forced || !running.wait(1s)) leave([&] { throw_if_bad(outcome); });
  throw_if_bad(outcome);
  return running.result();
}

}  // namespace shoal::launch
