// What a rank's link to the coordinator keeps between its threads: orders that were read and wait
// for the step loop, reports that wait to be written, the heartbeat. No transport here: the link
// that has one (grpc/grpc_plan_source.h) moves the frames. Both queues are bounded; a link whose
// bound is passed must be cut. One reader, one writer, one step loop; every member may be called
// by any of them.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/control/plan_source.h"

namespace shoal::control {

inline constexpr std::chrono::milliseconds kHeartbeatInterval{100};
inline constexpr size_t kMaxQueuedReportBytes = size_t{256} << 20;
inline constexpr size_t kMaxQueuedOrders = 4096;

class LinkQueues {
 public:
  // The reader. A heartbeat replaces one that nobody has fetched yet. False: cut the link.
  bool enqueue(ToWorker order);
  // Nothing more comes and nothing more is sent. Any thread, any number of times.
  void close();

  // The writer: one encoded frame to write, waited for; empty when the link is done. Between
  // reports it is a heartbeat every kHeartbeatInterval, once a Hello was reported.
  std::optional<std::vector<std::byte>> next_report();
  void writing_failed();  // the reader soon sees why

  // The step loop. What came before the close, then Leave for ever; empty at the deadline.
  std::optional<ToWorker> next(Deadline deadline);
  // False: cut the link. Dropped once the link is closed, finished or failed.
  bool report(const ToCoordinator& message);
  void set_last_step(plan::StepId step);
  // No report follows the queued ones; waits until the peer has closed. False when it did not, or
  // when not everything was written.
  bool finish(Deadline deadline);

 private:
  std::mutex mutex_;
  std::condition_variable orders_changed_, reports_changed_, ended_;
  std::deque<ToWorker> orders_;
  std::deque<std::vector<std::byte>> reports_;
  size_t report_bytes_ = 0;  // queued
  bool closed_ = false, finishing_ = false, writing_failed_ = false;
  std::optional<Heartbeat> pulse_;  // after the Hello
  Deadline::Clock::time_point next_beat_;
};

}  // namespace shoal::control
