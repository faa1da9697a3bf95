// A body's streams, from the coordinator's thread to the connection's: events in order, behind an
// eventfd that the connection can wait on. Bounded: a reader that falls too far behind ends it.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "runtime/coordinator/generation_request.h"

namespace shoal::http {

inline constexpr size_t kMaxQueuedBytes = 1 << 20;

struct StreamEvent {
  size_t prompt_idx = 0;  // of the body's prompts
  std::variant<coordinator::Accepted,
               coordinator::Delta,
               std::vector<plan::TokenScore>,
               coordinator::Finished,
               coordinator::Failure>
      what;
};

class EventQueue {
 public:
  EventQueue();  // throws Error when the system has no descriptor left
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  int fd() const { return fd_; }
  void push(StreamEvent event, size_t bytes);
  std::deque<StreamEvent> take();  // never waits
  bool overflowed() const;

 private:
  const int fd_;
  mutable std::mutex mutex_;
  std::deque<StreamEvent> events_;
  size_t bytes_ = 0;
  bool overflowed_ = false;
};

// One prompt's sink.
class QueueSink final : public coordinator::StreamSink {
 public:
  QueueSink(std::shared_ptr<EventQueue> queue, size_t prompt_idx)
      : queue_(std::move(queue)), prompt_idx_(prompt_idx) {}
  void accepted(const coordinator::Accepted& event) override;
  void delta(coordinator::Delta event) override;
  void scored(std::vector<plan::TokenScore> scores) override;
  void finished(const coordinator::Finished& event) override;
  void failed(const coordinator::Failure& failure) override;

 private:
  std::shared_ptr<EventQueue> queue_;
  size_t prompt_idx_;
};

}  // namespace shoal::http
