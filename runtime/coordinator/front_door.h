// The door that all protocols share, in front of the coordinator's: it counts, keeps the list of
// live requests, turns away what cannot be answered in time, and can be closed for a while without
// ending the ranks. The inner door must outlive it.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/coordinator/request_door.h"
#include "runtime/coordinator/request_ledger.h"
#include "runtime/coordinator/request_metrics.h"

namespace shoal::coordinator {

class FrontDoor final : public RequestDoor {
 public:
  explicit FrontDoor(RequestDoor& door);

  std::optional<Failure> submit(GenerationRequest request,
                                std::shared_ptr<StreamSink> sink) override;
  bool cancel(const std::string& request_id) override { return door_.cancel(request_id); }
  ClusterStatus status() const override;  // kDraining while it is closed
  ClearedCache clear_cache() override { return door_.clear_cache(); }
  const ServedModel& model() const override { return door_.model(); }
  int64_t max_context() const override { return door_.max_context(); }
  void on_phase(std::function<void(Phase)> callback) override;

  // No new requests until open(); what runs and waits goes on.
  void close();
  void open();

  const RequestMetrics& metrics() const { return books_->metrics; }
  const RequestLedger& ledger() const { return books_->ledger; }

 private:
  // Streams may end after the door is gone.
  struct Books {
    RequestMetrics metrics;
    RequestLedger ledger;
  };
  class Sink;
  struct Listeners {
    std::mutex mutex;
    std::vector<std::function<void(Phase)>> callbacks;
    std::atomic<bool> closed = false;
  };
  std::optional<Failure> turn_away(const GenerationRequest& request) const;
  void tell(Phase phase);

  RequestDoor& door_;
  std::shared_ptr<Books> books_ = std::make_shared<Books>();
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace shoal::coordinator
