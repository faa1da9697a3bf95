#include "runtime/control/link_queues.h"

#include <algorithm>

namespace shoal::control {
namespace {

constexpr const char* kClosed = "the coordinator closed the link";

}  // namespace

bool LinkQueues::enqueue(ToWorker order) {
  const std::lock_guard lock(mutex_);
  const bool beat = std::holds_alternative<Heartbeat>(order);
  if (beat && !orders_.empty() && std::holds_alternative<Heartbeat>(orders_.back()))
    orders_.back() = std::move(order);
  else
    orders_.push_back(std::move(order));
  orders_changed_.notify_one();
  return orders_.size() <= kMaxQueuedOrders;
}

void LinkQueues::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  orders_changed_.notify_all();
  reports_changed_.notify_all();
  ended_.notify_all();
}

std::optional<std::vector<std::byte>> LinkQueues::next_report() {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return closed_ || finishing_ || !reports_.empty(); };
  while (true) {
    const bool woken = reports_changed_.wait_until(lock, next_beat_, ready);
    if (closed_ || (finishing_ && reports_.empty())) return std::nullopt;
    const auto now = Deadline::Clock::now();
    if (pulse_ && now >= next_beat_) {
      next_beat_ = now + kHeartbeatInterval;
      return encode(ToCoordinator(*pulse_));
    }
    if (woken) {
      std::vector<std::byte> bytes = std::move(reports_.front());
      reports_.pop_front();
      report_bytes_ -= bytes.size();
      return bytes;
    }
    next_beat_ = now + kHeartbeatInterval;
  }
}

void LinkQueues::writing_failed() {
  const std::lock_guard lock(mutex_);
  writing_failed_ = true;
}

std::optional<ToWorker> LinkQueues::next(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return closed_ || !orders_.empty(); };
  if (deadline.at() == Deadline::never().at())
    orders_changed_.wait(lock, ready);
  else if (!orders_changed_.wait_until(lock, deadline.at(), ready))
    return std::nullopt;
  if (orders_.empty()) return Leave{kClosed};
  ToWorker order = std::move(orders_.front());
  orders_.pop_front();
  return order;
}

bool LinkQueues::report(const ToCoordinator& message) {
  std::vector<std::byte> bytes = encode(message);
  const std::lock_guard lock(mutex_);
  if (closed_ || finishing_ || writing_failed_) return true;
  if (const auto* hello = std::get_if<Hello>(&message)) pulse_ = Heartbeat{hello->epoch, 0};
  if (const auto* result = std::get_if<plan::StepResult>(&message); result && pulse_)
    pulse_->last_step = std::max(pulse_->last_step, result->step_id);
  report_bytes_ += bytes.size();
  reports_.push_back(std::move(bytes));
  reports_changed_.notify_one();
  return report_bytes_ <= kMaxQueuedReportBytes;
}

void LinkQueues::set_last_step(plan::StepId step) {
  const std::lock_guard lock(mutex_);
  if (pulse_) pulse_->last_step = std::max(pulse_->last_step, step);
}

bool LinkQueues::finish(Deadline deadline) {
  std::unique_lock lock(mutex_);
  finishing_ = true;
  reports_changed_.notify_all();
  const bool ended = ended_.wait_until(lock, deadline.at(), [this] { return closed_; });
  return ended && reports_.empty() && !writing_failed_;
}

}  // namespace shoal::control
