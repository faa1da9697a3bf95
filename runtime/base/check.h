// SHOAL_ASSERT(cond, "format", values...): a broken invariant of our own code, in every build type.
// Prints the condition, the values and the place, then aborts. Never used on bytes that came from
// a file, a client or a peer: those get an Error (error.h) or a return value.
#pragma once
#include <fmt/format.h>

#include <string_view>

namespace shoal {

[[noreturn]] void assert_failed(std::string_view condition,
                                std::string_view values,
                                const char* file,
                                int line);

}  // namespace shoal

#define SHOAL_ASSERT(condition, ...)                                                      \
  do {                                                                                    \
    if (!(condition)) [[unlikely]]                                                        \
      ::shoal::assert_failed(#condition, ::fmt::format(__VA_ARGS__), __FILE__, __LINE__); \
  } while (false)
