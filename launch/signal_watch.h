// SIGTERM, SIGINT and SIGHUP as something to ask for instead of something that interrupts. Make it
// on the main thread before any other thread exists, so that every thread inherits the block.
#pragma once

namespace shoal::launch {

class SignalWatch {
 public:
  SignalWatch();   // throws Error (unexpected)
  ~SignalWatch();  // unblocks; one that arrived and was not asked for takes its usual course
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  int poll();  // the signal that arrived, or 0; never blocks

 private:
  int fd_ = -1;
};

}  // namespace shoal::launch
