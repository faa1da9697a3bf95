// What the workers and mpirun print, collapsed: sixteen ranks that fail alike make one line. Quiet
// mode passes warnings on once and keeps the line that explains a failure; verbose mode passes
// everything on. A thread of its own reads until the pipe closes.
#pragma once
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>

namespace shoal::launch {

class WorkerOutput {
 public:
  WorkerOutput(int pipe, bool verbose);  // owns the pipe
  ~WorkerOutput() { finish(); }

  // Waits for the pipe to close. The line that tells why the job ended: the first "error: ..."
  // without its prefix, else the first that is not mpirun's decoration; empty when there was none.
  std::string finish();
  // The same of what came so far, without waiting.
  std::string reason() const;

 private:
  void read(int pipe);
  void take_line(std::string_view line);

  const bool verbose_;
  mutable std::mutex mutex_;
  std::string error_, first_line_;
  std::set<std::string, std::less<>> warned_;
  std::thread thread_;
};

// True for a log line of warning or error level: "12:00:01.234 W rank 1: ...".
bool is_warning(std::string_view line);

}  // namespace shoal::launch
