// Where a rank's step loop gets its orders and leaves its reports: a gRPC link, a script, a test.
// One step-loop thread calls next(); report() may be called from any thread.
#pragma once
#include <optional>

#include "runtime/base/deadline.h"
#include "runtime/control/messages.h"

namespace shoal::control {

class PlanSource {
 public:
  virtual ~PlanSource() = default;
  // The next message in order; empty when the deadline passed. A closed link yields Leave.
  virtual std::optional<ToWorker> next(Deadline deadline) = 0;
  virtual void report(ToCoordinator message) = 0;
};

}  // namespace shoal::control
