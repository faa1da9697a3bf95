// The workers' job under mpirun, on this host or on those of a cluster file. mpirun runs in its own
// process group and with
// --enable-recovery, so that a rank's death is the coordinator's business and not mpirun's. Call
// start() from the main thread: mpirun dies with the thread that forked it.
#pragma once
#include <memory>

#include "launch/child_process.h"
#include "launch/host_network.h"
#include "launch/launcher.h"
#include "launch/private_directory.h"
#include "launch/worker_output.h"

namespace shoal::launch {

struct MpirunConfig {
  std::string mpirun = "mpirun";  // a name in PATH or a path
  std::string worker;             // path of shoal-worker
  WorkerContact contact;
  HostNetwork hosts;
};

class MpirunLauncher final : public Launcher {
 public:
  explicit MpirunLauncher(MpirunConfig config);
  ~MpirunLauncher() override;

  void start(plan::Epoch epoch, int world_size) override;
  std::optional<Ended> poll() override;
  void stop(std::chrono::milliseconds leave_time) override;
  void kill() override;

  // mpirun's arguments. No secret is in them. hosts: a file with one host a rank, in rank order;
  // empty where all run here.
  std::vector<std::string> arguments(const std::string& mpirun_path,
                                     int world_size,
                                     const std::string& hosts) const;

 private:
  struct Job;
  void write_hosts(const std::string& path, int world_size) const;
  bool wait_for_end(std::chrono::milliseconds timeout);
  void clear();
  std::string lost_rank_line(int rank) const;

  MpirunConfig config_;
  std::unique_ptr<Job> job_;
};

}  // namespace shoal::launch
