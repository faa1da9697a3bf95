#include "launch/worker_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr size_t kTimeWidth = 13;  // "12:00:01.234 "
constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxWarnings = 64;  // distinct ones

void show(std::string_view line) { fmt::print(stderr, "{}\n", printable(line, kMaxLine)); }

bool is_decoration(std::string_view line) {
  return line.find_first_not_of("-* \t\r") == std::string_view::npos;
}

}  // namespace

bool is_warning(std::string_view line) {
  return line.size() > kTimeWidth + 2 && line[2] == ':' && line[5] == ':' && line[8] == '.' &&
         (line[kTimeWidth] == 'W' || line[kTimeWidth] == 'E') && line[kTimeWidth + 1] == ' ';
}

WorkerOutput::WorkerOutput(int pipe, bool verbose)
    : verbose_(verbose), thread_([this, pipe] { read(pipe); }) {}

std::string WorkerOutput::finish() {
  if (thread_.joinable()) thread_.join();
  return reason();
}

std::string WorkerOutput::reason() const {
  const std::lock_guard lock(mutex_);
  return error_.empty() ? first_line_ : error_;
}

void WorkerOutput::read(int pipe) {
  std::string line;
  std::array<char, 4096> buffer{};
  ssize_t taken = 0;
  while ((taken = ::read(pipe, buffer.data(), buffer.size())) > 0 ||
         (taken < 0 && errno == EINTR)) {
    for (ssize_t i = 0; i < taken; ++i) {
      const char c = buffer[static_cast<size_t>(i)];
      if (c != '\n' && line.size() < kMaxLine) line += c;
      if (c != '\n') continue;
      take_line(line);
      line.clear();
    }
  }
  if (!line.empty()) take_line(line);
  close(pipe);
}

void WorkerOutput::take_line(std::string_view line) {
  const std::lock_guard lock(mutex_);
  constexpr std::string_view kError = "error: ";
  if (line.starts_with(kError) && error_.empty())
    error_ = printable(line.substr(kError.size()), 400);
  const bool assertion = line.find("assertion failed") != std::string_view::npos;
  if (assertion && error_.empty()) error_ = printable(line, 400);
  if (first_line_.empty() && !is_decoration(line) && !is_warning(line))
    first_line_ = printable(line, 400);
  if (verbose_ || assertion) {
    show(line);
  } else if (is_warning(line) && warned_.size() < kMaxWarnings) {
    if (warned_.emplace(line.substr(kTimeWidth)).second) show(line);
  }
}

}  // namespace shoal::launch
