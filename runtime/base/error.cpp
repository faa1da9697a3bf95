#include "runtime/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/base/check.h"

namespace shoal {

Error::Error(ExitCode code, const std::string& message, std::source_location place)
    : std::runtime_error(message), code_(code), place_(place) {}

void throw_errno(ExitCode code, const std::string& call, std::source_location place) {
  throw Error(code, fmt::format("{}: {}", call, std::strerror(errno)), place);
}

void assert_failed(std::string_view condition,
                   std::string_view values,
                   const char* file,
                   int line) {
  fmt::print(stderr, "{}:{}: assertion failed: {} ({})\n", file, line, condition, values);
  std::fflush(stderr);
  std::abort();
}

}  // namespace shoal
