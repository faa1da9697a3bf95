// A rank's link to the coordinator: one gRPC stream that the rank opens. Its own threads read,
// write and beat the heart; the step loop only meets two bounded queues. Mutual TLS with the job's
// authority, on Unix sockets too.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/deadline.h"
#include "runtime/control/link_credentials.h"
#include "runtime/control/link_queues.h"
#include "runtime/control/plan_source.h"

namespace shoal::control {

// Most bytes of one frame: a row of log-probabilities per scored position fits many times over.
inline constexpr int kMaxFrameBytes = 64 << 20;

class GrpcPlanSource final : public PlanSource {
 public:
  // address: "unix:/path" or "host:port". Throws Error(kStartup) when nobody answers until the
  // deadline who proves to be this job's coordinator.
  GrpcPlanSource(const std::string& address,
                 const LinkCredentials& credentials,
                 Deadline connect_deadline);
  // Closes, within a second.
  ~GrpcPlanSource() override;
  GrpcPlanSource(const GrpcPlanSource&) = delete;
  GrpcPlanSource& operator=(const GrpcPlanSource&) = delete;

  // Heartbeats that nobody has fetched yet collapse into one. After the link closed: what had come
  // before, then Leave{"the coordinator closed the link"} for ever. One thread calls it.
  std::optional<ToWorker> next(Deadline deadline) override;

  // Queued. The first must be a Hello; heartbeats start after it, with the epoch that it names and
  // the last step of the StepResults that followed. Dropped once the link is closed.
  void report(ToCoordinator message) override;

  // For a loop that makes progress without a result (a rank that is not the sampler).
  void set_last_step(plan::StepId step);

  // The last word: sends what is queued, ends the link and waits until the coordinator has read it
  // all. False when that is not sure. A rank calls it before it leaves by _exit: what only lies in
  // a socket then may be lost. Later reports are dropped.
  bool close(Deadline deadline);

 private:
  struct Link;
  std::unique_ptr<Link> link_;
};

}  // namespace shoal::control
