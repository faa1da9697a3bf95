#include "runtime/device/queue.h"

#include <cstring>
#include <thread>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/device/cuda_calls.h"

namespace shoal::device {

Mark::~Mark() {
  if (event_ != nullptr) cuda::free_event(event_);
}

Mark::Mark(Mark&& other) noexcept
    : event_(std::exchange(other.event_, nullptr)), watch_(other.watch_) {}

Mark& Mark::operator=(Mark&& other) noexcept {
  std::swap(event_, other.event_);
  std::swap(watch_, other.watch_);
  return *this;
}

bool Mark::passed() const { return event_ == nullptr || cuda::has_happened(event_); }

void Mark::wait(Deadline deadline) const {
  const bool watched = watch_ != nullptr && *watch_ != nullptr;
  while (!passed()) {
    const bool late = deadline.passed();
    if (watched) (*watch_)(late);
    if (late)
      throw Error(ExitCode::kUnexpected, "the GPU did not finish its step before the deadline");
    std::this_thread::yield();
  }
}

Queue::Queue(Backend backend) : backend_(backend) {
  if (backend == Backend::kCuda) stream_ = cuda::make_stream();
}

Queue::~Queue() {
  if (stream_ != nullptr) cuda::free_stream(stream_);
}

void Queue::copy(void* to, const void* from, size_t bytes) const {
  if (bytes == 0) return;
  if (stream_ != nullptr)
    cuda::copy(stream_, to, from, bytes);
  else
    std::memcpy(to, from, bytes);
}

void Queue::fill_zero(void* memory, size_t bytes) const {
  if (bytes == 0) return;
  if (stream_ != nullptr)
    cuda::fill_zero(stream_, memory, bytes);
  else
    std::memset(memory, 0, bytes);
}

void Queue::mark(Mark& mark) const {
  if (stream_ == nullptr) return;
  if (mark.event_ == nullptr) mark.event_ = cuda::make_event();
  cuda::record(mark.event_, stream_);
  mark.watch_ = &watch_;
}

void Queue::wait(Deadline deadline) const {
  Mark end;
  mark(end);
  end.wait(deadline);
}

Graph::Graph(const Queue& queue, std::function<void()> work) {
  if (queue.backend() == Backend::kCuda)
    graph_ = cuda::capture(queue.view().handle, work);
  else
    work_ = std::move(work);
}

Graph::~Graph() {
  if (graph_ != nullptr) cuda::free_graph(graph_);
}

Graph::Graph(Graph&& other) noexcept
    : work_(std::move(other.work_)), graph_(std::exchange(other.graph_, nullptr)) {}

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(work_, other.work_);
  std::swap(graph_, other.graph_);
  return *this;
}

void Graph::launch(const Queue& queue) const {
  if (graph_ != nullptr)
    cuda::launch(graph_, queue.view().handle);
  else
    work_();
}

}  // namespace shoal::device
