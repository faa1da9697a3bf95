#include "loader/format/bad_file.h"

#include <fmt/format.h>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

// Linux refuses longer paths itself (PATH_MAX).
constexpr size_t kMaxPathChars = 4096;

}  // namespace

void refuse(int number, FilePlace place, const std::string& what, std::source_location caller) {
  throw ModelFileError(fmt::format("error[GGUF-{:02}]: {}: byte {}: {}",
                                   number,
                                   printable(place.file, kMaxPathChars),
                                   place.byte,
                                   what),
                       caller);
}

std::string quoted(std::string_view untrusted) { return "'" + printable(untrusted) + "'"; }

std::string quoted_path(std::string_view path) {
  return "'" + printable(path, kMaxPathChars) + "'";
}

}  // namespace shoal::loader
