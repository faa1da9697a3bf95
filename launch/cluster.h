// A coordinator with its control door, its public gRPC door and its launcher, for one model: what
// `serve` keeps running and what a command without --server uses and throws away. The control
// door is a Unix socket in a folder that only this user can enter, or one address of this machine
// where workers run on others.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "launch/launcher.h"
#include "launch/options.h"
#include "launch/private_directory.h"
#include "launch/supervisor.h"
#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/front_door.h"
#include "runtime/coordinator/grpc_control_door.h"
#include "runtime/coordinator/grpc_door.h"

namespace shoal::launch {

struct ClusterConfig {
  std::shared_ptr<const coordinator::ServedModel> model;
  ClusterOptions shape;  // resolved
  bool verbose = false;
  bool is_private = false;   // no second job: a lost rank ends it
  std::string grpc_address;  // empty: a Unix socket in the private folder
  bool reflection = true;
  coordinator::GrpcAccess access;  // of the public gRPC door
  int max_queue = 64;
  std::string journal_path;
  bool journal_fsync = false;
  std::chrono::milliseconds startup_timeout{60'000};
  int max_restarts = 5;  // of the ranks within a minute
};

class Cluster {
 public:
  // Refuses what does not fit (exit 2 or 5) or cannot listen (2) before any worker is started.
  explicit Cluster(const ClusterConfig& config);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  coordinator::Coordinator& coordinator() { return *coordinator_; }
  coordinator::FrontDoor& requests() { return *front_; }
  const std::string& grpc_address() const { return grpc_->address(); }

  // Main thread. See Supervisor::run.
  Outcome supervise(SignalWatch& signals,
                    const std::function<bool()>& finished,
                    std::chrono::milliseconds drain_time);

  // Any other thread: returns when every rank is ready. Throws Error when that will not happen.
  void wait_until_ready();

  // For a way out that destroys nothing: removes the private folder.
  void remove_folder() noexcept { folder_.remove(); }

 private:
  PrivateDirectory folder_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<coordinator::GrpcControlDoor> control_;  // outlives the coordinator, see ~Cluster
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<coordinator::CoordinatorDoor> requests_;
  std::unique_ptr<coordinator::FrontDoor> front_;
  std::unique_ptr<coordinator::GrpcDoor> grpc_;
};

}  // namespace shoal::launch
