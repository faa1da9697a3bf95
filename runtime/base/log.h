// Log lines on stderr: time, level, rank where one is set, text. Text that came from outside goes
// through printable() first. Thread-safe.
#pragma once
#include <fmt/format.h>

#include <string_view>

namespace shoal::log {

enum class Level { kDebug, kInfo, kWarn, kError };

void set_level(Level level);
void set_rank(int rank);  // prefix of every later line; -1 (the default) for none
void write(Level level, std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace shoal::log
