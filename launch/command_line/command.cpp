#include "launch/command_line/command.h"

#include <algorithm>
#include <cstdio>

#include "launch/command_line/argument_scan.h"
#include "launch/command_line/nearest_name.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr const char* kExitCodes =
    "Every flag has an environment twin, named in brackets; a flag wins.\n"
    "Exit codes: 0 done, 1 unexpected, 2 usage or config, 3 bad model file, 4 cluster or "
    "start-up,\n"
    "5 does not fit, 6 request refused or failed, 7 a rank failed and could not be replaced.";

Command& find_command(const Commands& commands, const std::string& word) {
  std::vector<std::string> names;
  for (const auto& command : commands) {
    if (command->name() == word) return *command;
    names.push_back(command->name());
  }
  throw Error(ExitCode::kUsage,
              fmt::format("unknown command '{}'{}", printable(word), suggestion(word, names)));
}

void print_overview(const std::string& program,
                    const std::string& description,
                    const Commands& commands) {
  fmt::print("{}\n\nusage: {} COMMAND [OPTION...]    ({} COMMAND --help for its options)\n\n",
             description,
             program,
             program);
  for (const auto& command : commands)
    fmt::print("  {:<12} {}\n", command->name(), command->summary());
  fmt::print("\n{}\n", kExitCodes);
}

int run_command(const std::string& program,
                Command& command,
                const std::vector<std::string>& arguments) {
  CLI::App app(command.summary(), program + " " + command.name());
  app.footer(kExitCodes);
  app.get_formatter()->column_width(42);
  app.option_defaults()->always_capture_default(false);
  OptionSet options(app);
  command.declare(options);
  command.output.declare(options);
  std::vector<OptionSet::Flag> flags = options.flags();
  flags.push_back({"h", "help", false});
  std::vector<std::string> scanned = scan_arguments(arguments, flags);
  std::reverse(scanned.begin(), scanned.end());  // CLI11 takes the last one first
  try {
    app.parse(scanned);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    throw Error(ExitCode::kUsage, printable(error.what(), 300));
  }
  options.read_environment();
  log::set_level(command.output.verbose ? log::Level::kInfo : log::Level::kWarn);
  command.resolve(options);
  if (command.output.print_config) {
    command.resolve_from_model(options);
    fmt::print("{}", options.print(command.output.json));
    return 0;
  }
  return command.run();
}

}  // namespace

int run_command_line(const std::string& program,
                     const std::string& description,
                     const Commands& commands,
                     std::vector<std::string> arguments) {
  if (arguments.empty()) {
    print_overview(program, description, commands);
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::string word = arguments.front();
  if (word == "--help" || word == "-h" || word == "help") {
    print_overview(program, description, commands);
    return 0;
  }
  if (word == "--version" || word == "version") {
    fmt::print("{} {}\n", program, SHOAL_BUILD_ID);
    return 0;
  }
  arguments.erase(arguments.begin());
  return run_command(program, find_command(commands, word), arguments);
}

}  // namespace shoal::launch
