#include "runtime/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace shoal::log {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("shoal",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%H:%M:%S.%e %L %v");
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

void set_rank(int rank) {
  logger().set_pattern(rank < 0 ? "%H:%M:%S.%e %L %v"
                                : fmt::format("%H:%M:%S.%e %L rank {}: %v", rank));
}

void write(Level level, std::string_view text) { logger().log(to_spdlog(level), text); }

}  // namespace shoal::log
