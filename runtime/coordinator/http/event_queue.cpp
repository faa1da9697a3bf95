#include "runtime/coordinator/http/event_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "runtime/base/error.h"

namespace shoal::http {
namespace {

constexpr size_t kEventBytes = 64;  // what an event costs beside its text

}  // namespace

EventQueue::EventQueue() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw_errno(ExitCode::kUnexpected, "eventfd");
}

EventQueue::~EventQueue() { close(fd_); }

void EventQueue::push(StreamEvent event, size_t bytes) {
  const std::lock_guard lock(mutex_);
  const bool ends = event.what.index() >= 3;
  if (!ends && bytes_ + bytes > kMaxQueuedBytes) overflowed_ = true;
  if (!overflowed_ || ends) events_.push_back(std::move(event));
  bytes_ += bytes;
  eventfd_write(fd_, 1);
}

std::deque<StreamEvent> EventQueue::take() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  eventfd_read(fd_, &count);
  bytes_ = 0;
  return std::exchange(events_, {});
}

bool EventQueue::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

void QueueSink::accepted(const coordinator::Accepted& event) {
  queue_->push({prompt_idx_, event}, kEventBytes);
}

void QueueSink::delta(coordinator::Delta event) {
  const size_t bytes = kEventBytes + event.text.size() + 8 * event.token_ids.size();
  queue_->push({prompt_idx_, std::move(event)}, bytes);
}

void QueueSink::scored(std::vector<plan::TokenScore> scores) {
  // A prompt's scores come once and are bounded by the context: not a reader's fault.
  queue_->push({prompt_idx_, std::move(scores)}, 0);
}

void QueueSink::finished(const coordinator::Finished& event) {
  queue_->push({prompt_idx_, event}, kEventBytes);
}

void QueueSink::failed(const coordinator::Failure& failure) {
  queue_->push({prompt_idx_, failure}, kEventBytes);
}

}  // namespace shoal::http
