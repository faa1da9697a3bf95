#include "launch/program.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

// Messages hold no untrusted bytes, but may hold newlines: one failure is one line.
int say(std::string_view message, ExitCode code) {
  const bool has_prefix = message.starts_with("error");  // error[GGUF-07] ...
  std::string line = has_prefix ? "" : "error: ";
  for (const char c : message) line += c == '\n' ? ' ' : c;
  fmt::print(stderr, "{}\n", line);
  return static_cast<int>(code);
}

}  // namespace

int run_program(const std::function<int()>& body) noexcept {
  try {
    return body();
  } catch (const Error& error) {
    return say(error.what(), error.code());
  } catch (const std::exception& error) {
    return say(fmt::format("unexpected: {}", error.what()), ExitCode::kUnexpected);
  } catch (...) {
    return say("unexpected: an exception of unknown type", ExitCode::kUnexpected);
  }
}

const char* build_id() { return SHOAL_BUILD_ID; }

}  // namespace shoal::launch
