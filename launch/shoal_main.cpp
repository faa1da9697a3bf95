// shoal: what the user types.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "launch/commands/all_commands.h"
#include "launch/program.h"
#include "loader/io/lost_mapping.h"
#include "runtime/base/error.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that left is a failed write, with its own message
  std::signal(SIGXFSZ, SIG_IGN);  // likewise a file that may not grow
  shoal::loader::watch_mappings([](const std::string& message) {
    fmt::print(stderr, "{}\n", message);
    _exit(static_cast<int>(shoal::ExitCode::kBadModel));
  });
  return shoal::launch::run_program([&] {
    return shoal::launch::run_command_line(
        "shoal",
        "shoal runs mixture-of-experts models from GGUF files over MPI ranks",
        shoal::launch::all_commands(),
        std::vector<std::string>(argv + 1, argv + argc));
  });
}
