// Where ranks attach: a gRPC server of its own, apart from the public one, on a Unix socket or on
// one address of this host. Mutual TLS with the job's authority comes before the first byte of
// HTTP/2. Carries frames of the control codec; one that does not decode closes its link only.
#pragma once
#include <memory>
#include <string>

#include "runtime/control/link_credentials.h"
#include "runtime/coordinator/rank_links.h"

namespace shoal::coordinator {

struct Listener;

class GrpcControlDoor final : public RankLinks {
 public:
  // address: "unix:/path" or "10.0.0.1:port" (0: any). Listens at once and delivers to `events`,
  // which must live until shut_down() returned; on_closed comes exactly once for each link that
  // said anything or was opened. Throws Error(kUsage) when the address is taken.
  GrpcControlDoor(const std::string& address,
                  const control::LinkCredentials& credentials,
                  RankLinkEvents& events);
  ~GrpcControlDoor() override;  // shuts down

  const std::string& address() const;  // what workers connect to

  // A link whose queue holds more than 64 MiB is closed.
  void send(LinkId link, const control::ToWorker& message) override;
  // What was sent before still goes out, if the rank reads it.
  void close(LinkId link) override;

  // Closes all links; no event comes after it returned. May be called more than once.
  void shut_down();

 private:
  class Service;
  class Link;
  struct State;
  std::shared_ptr<State> state_;  // links outlive the server by their last reaction
  std::unique_ptr<Service> service_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace shoal::coordinator
