#include "launch/pull_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

constexpr size_t kBar = 24;

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

std::string progress_text(const std::string& name,
                          uint64_t bytes,
                          uint64_t total,
                          double bytes_per_second) {
  const double share = total == 0 ? 1 : static_cast<double>(bytes) / static_cast<double>(total);
  const auto filled = static_cast<size_t>(share * kBar);
  std::string text = fmt::format("{} {:3}% [{}{}] {} of {}",
                                 name,
                                 static_cast<int>(share * 100),
                                 std::string(filled, '#'),
                                 std::string(kBar - filled, '.'),
                                 human_bytes(bytes),
                                 human_bytes(total));
  if (bytes_per_second >= 1) {
    text += fmt::format(", {}/s", human_bytes(static_cast<uint64_t>(bytes_per_second)));
    if (bytes < total)
      text += fmt::format(", {} left",
                          clock_text(static_cast<double>(total - bytes) / bytes_per_second));
  }
  return text;
}

PullProgress::PullProgress(std::string name, std::FILE* out)
    : name_(std::move(name)),
      out_(out),
      is_terminal_(isatty(fileno(out)) == 1),
      start_(Clock::now()),
      next_(start_) {}

void PullProgress::show(uint64_t bytes, uint64_t total, uint64_t resumed) {
  const auto now = Clock::now();
  if (now < next_ && bytes < total) return;
  next_ = now + (is_terminal_ ? 200ms : 10'000ms);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const uint64_t fetched = bytes - std::min(bytes, resumed);
  const double speed = seconds > 0.5 ? static_cast<double>(fetched) / seconds : 0;
  const std::string text = progress_text(name_, bytes, total, speed);
  if (is_terminal_)
    fmt::print(out_, "\r{}\033[K", text);
  else
    fmt::print(out_, "{}\n", text);
  std::fflush(out_);
  open_ = is_terminal_;
}

void PullProgress::end() {
  if (open_) fmt::print(out_, "\n");
  open_ = false;
}

}  // namespace shoal::launch
