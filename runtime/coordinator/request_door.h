// What the doors need of the coordinator, so that they can be tested without ranks. Any thread may
// call anything; nothing blocks.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator.h"

namespace shoal::coordinator {

class RequestDoor {
 public:
  virtual ~RequestDoor() = default;
  virtual std::optional<Failure> submit(GenerationRequest request,
                                        std::shared_ptr<StreamSink> sink) = 0;
  virtual bool cancel(const std::string& request_id) = 0;
  virtual ClusterStatus status() const = 0;
  virtual ClearedCache clear_cache() = 0;
  virtual const ServedModel& model() const = 0;
  virtual int64_t max_context() const = 0;  // tokens a sequence may hold
  // Adds one more; it must not block. It may be called until the coordinator is gone.
  virtual void on_phase(std::function<void(Phase)> callback) = 0;
};

// The coordinator must outlive it.
class CoordinatorDoor final : public RequestDoor {
 public:
  // Takes the coordinator's one phase callback.
  explicit CoordinatorDoor(Coordinator& coordinator) : coordinator_(coordinator) {
    coordinator.on_phase([listeners = listeners_](Phase phase) {
      const std::lock_guard lock(listeners->mutex);
      for (const auto& callback : listeners->callbacks) callback(phase);
    });
  }
  std::optional<Failure> submit(GenerationRequest request,
                                std::shared_ptr<StreamSink> sink) override {
    return coordinator_.submit(std::move(request), std::move(sink));
  }
  bool cancel(const std::string& request_id) override { return coordinator_.cancel(request_id); }
  ClusterStatus status() const override { return coordinator_.status(); }
  ClearedCache clear_cache() override { return coordinator_.clear_cache(); }
  const ServedModel& model() const override { return coordinator_.model(); }
  int64_t max_context() const override { return coordinator_.config().plan.max_context; }
  void on_phase(std::function<void(Phase)> callback) override {
    const std::lock_guard lock(listeners_->mutex);
    listeners_->callbacks.push_back(std::move(callback));
  }

 private:
  struct Listeners {
    std::mutex mutex;
    std::vector<std::function<void(Phase)>> callbacks;
  };

  Coordinator& coordinator_;
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace shoal::coordinator
