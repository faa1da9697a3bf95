// One word behind `shoal`: its options, and what it does. A command object lives for one run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "launch/command_line/option_set.h"
#include "launch/options.h"

namespace shoal::launch {

class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;
  virtual std::string summary() const = 0;  // one line of --help
  virtual void declare(OptionSet& options) = 0;
  // After parsing: fills what other sources say and refuses contradictions. Throws Error.
  virtual void resolve(OptionSet&) {}
  // For --print-config: values that the model file decides. Reads headers only.
  virtual void resolve_from_model(OptionSet&) {}
  virtual int run() = 0;

  OutputOptions output;
};

using Commands = std::vector<std::unique_ptr<Command>>;

// Parses `arguments` (without the program's name) and runs one command. Returns the exit code;
// throws Error.
int run_command_line(const std::string& program,
                     const std::string& description,
                     const Commands& commands,
                     std::vector<std::string> arguments);

}  // namespace shoal::launch
