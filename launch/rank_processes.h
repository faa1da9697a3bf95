// The processes of a job's ranks on this host, found below mpirun, which goes on when one of them
// dies. A rank that dies before it opened its control link is seen here and nowhere else.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>

namespace shoal::launch {

class RankProcesses {
 public:
  explicit RankProcesses(int world_size) : world_size_(world_size) {}

  // The rank that died, once it has been gone for a while: a control link that closes says the same
  // and more, and comes first. Empty while all live.
  std::optional<int> look(pid_t mpirun);

 private:
  using Clock = std::chrono::steady_clock;

  void find(pid_t mpirun);
  std::optional<int> never_seen() const;

  int world_size_;
  std::map<int, pid_t> pids_;  // by rank
  Clock::time_point next_search_{};
  std::optional<Clock::time_point> first_found_;
  std::optional<Clock::time_point> gone_since_;
};

}  // namespace shoal::launch
