// A download's progress for people: one bar that is drawn over itself on a terminal, else one line
// every ten seconds.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace shoal::launch {

// "NAME  43% [#####.......] 1.2 GB of 2.8 GB, 41.0 MB/s, 0:39 left"
std::string progress_text(const std::string& name,
                          uint64_t bytes,
                          uint64_t total,
                          double bytes_per_second);

class PullProgress {
 public:
  using Clock = std::chrono::steady_clock;

  PullProgress(std::string name, std::FILE* out);
  ~PullProgress() { end(); }
  PullProgress(const PullProgress&) = delete;
  PullProgress& operator=(const PullProgress&) = delete;

  // `resumed` of the bytes were there before; they do not count as speed.
  void show(uint64_t bytes, uint64_t total, uint64_t resumed);
  void end();  // ends the bar's line

 private:
  std::string name_;
  std::FILE* out_;
  bool is_terminal_;
  bool open_ = false;  // a line without its end
  Clock::time_point start_, next_;
};

}  // namespace shoal::launch
