// How a model file is refused: always one line,
//   error[GGUF-nn]: FILE: byte N: what was found; what is allowed
// nn is a stable number, one for each kind of fault; tests/unit/loader/ holds an example of each.
// The byte is the place in FILE that a hex editor should be pointed at: 0 when the fault is the
// file as a whole.
#pragma once
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

namespace shoal::loader {

struct FilePlace {
  std::string_view file;
  uint64_t byte = 0;
};

// Throws ModelFileError. `what` must have passed its untrusted parts through quoted() or
// shoal::printable().
[[noreturn]] void refuse(int number,
                         FilePlace place,
                         const std::string& what,
                         std::source_location caller = std::source_location::current());

// 'text' in single quotes, safe for a terminal, cut at 64 characters.
std::string quoted(std::string_view untrusted);

// A path in single quotes: safe for a terminal, long enough to be found.
std::string quoted_path(std::string_view path);

}  // namespace shoal::loader
