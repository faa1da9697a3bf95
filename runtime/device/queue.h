// Work of a device in order, seen from the host: copies, marks, recorded sequences. Where the
// backend computes on the host, everything is done when its call returns. Move-only; the memory
// that a copy names must live until the copy has run. One thread.
#pragma once
#include <cstddef>
#include <functional>
#include <utility>

#include "runtime/base/backend.h"
#include "runtime/base/deadline.h"
#include "runtime/base/exec.h"

namespace shoal::device {

// A point in a queue.
class Mark {
 public:
  Mark() = default;  // long passed
  ~Mark();
  Mark(Mark&& other) noexcept;
  Mark& operator=(Mark&& other) noexcept;

  bool passed() const;
  // Polls; throws Error when the deadline passes first, or when the device reports a fault.
  void wait(Deadline deadline) const;

 private:
  friend class Queue;
  void* event_ = nullptr;
  const std::function<void(bool)>* watch_ = nullptr;  // of the queue that it lies in
};

class Queue {
 public:
  explicit Queue(Backend backend);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Backend backend() const { return backend_; }
  Stream view() const { return {stream_}; }

  void copy(void* to, const void* from, size_t bytes) const;  // host or device, either way
  void fill_zero(void* memory, size_t bytes) const;
  void mark(Mark& mark) const;  // after all that was queued so far
  void wait(Deadline deadline) const;

  // Called again and again while a mark of this queue is waited for, and once with true when the
  // deadline has passed. It may throw: whose fault the wait is, others know better.
  void watch_with(std::function<void(bool late)> watch) { watch_ = std::move(watch); }

 private:
  Backend backend_;
  void* stream_ = nullptr;  // null: the host computes
  std::function<void(bool)> watch_;
};

// What a callable enqueues on a queue, recorded once and launched often. On the host the callable
// itself is kept, so what it refers to must outlive the graph.
class Graph {
 public:
  Graph(const Queue& queue, std::function<void()> work);
  ~Graph();
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;

  void launch(const Queue& queue) const;

 private:
  std::function<void()> work_;  // host
  void* graph_ = nullptr;
};

}  // namespace shoal::device
