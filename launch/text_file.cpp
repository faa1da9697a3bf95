#include "launch/text_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {

std::string read_text_file(const std::string& path, const char* what) {
  const auto fail = [&] {
    throw Error(
        ExitCode::kUsage,
        fmt::format("cannot read {} '{}': {}", what, printable(path, 200), std::strerror(errno)));
  };
  const auto close = [](std::FILE* file) {
    if (file != nullptr && file != stdin) std::fclose(file);
  };
  const std::unique_ptr<std::FILE, decltype(close)> file(
      path == "-" ? stdin : std::fopen(path.c_str(), "rb"), close);
  if (file == nullptr) fail();
  std::string text;
  char buffer[65536];
  size_t taken = 0;
  while ((taken = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) text.append(buffer, taken);
  if (std::ferror(file.get()) != 0) fail();
  return text;
}

}  // namespace shoal::launch
