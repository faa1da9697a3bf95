// The control door as the coordinator sees it: links of ranks, messages in, messages out. The door
// (grpc_control_door.h) checks nothing but framing; who may stay is membership's business.
#pragma once
#include <cstdint>

#include "runtime/control/messages.h"

namespace shoal::coordinator {

using LinkId = uint64_t;

class RankLinkEvents {
 public:
  virtual ~RankLinkEvents() = default;
  // Called from the door's threads; must not block.
  virtual void on_message(LinkId link, control::ToCoordinator message) = 0;
  virtual void on_closed(LinkId link) = 0;
};

class RankLinks {
 public:
  virtual ~RankLinks() = default;
  // Queued, never blocks; messages of one link arrive in order. Unknown links are ignored.
  virtual void send(LinkId link, const control::ToWorker& message) = 0;
  virtual void close(LinkId link) = 0;
};

}  // namespace shoal::coordinator
