#include "launch/commands/all_commands.h"

#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

// A name that the design reserves. It takes every option that a user might try.
class Unbuilt final : public Command {
 public:
  Unbuilt(std::string name, std::string summary, std::string instead)
      : name_(std::move(name)), summary_(std::move(summary)), instead_(std::move(instead)) {}
  std::string name() const override { return name_; }
  std::string summary() const override { return summary_ + " (not built yet)"; }
  void declare(OptionSet& options) override {
    options.add("-m,--model", ignored_, "GGUF file");
    options.add("--cluster", ignored_, "Cluster file");
  }
  int run() override {
    throw Error(ExitCode::kUsage, fmt::format("shoal {} is not built yet: {}", name_, instead_));
  }

 private:
  std::string name_, summary_, instead_, ignored_;
};

}  // namespace

std::unique_ptr<Command> make_verify() {
  return std::make_unique<Unbuilt>("verify",
                                   "Hashes of the files against a manifest",
                                   "`shoal inspect` checks headers, sizes and the shard set");
}

Commands all_commands() {
  Commands commands;
  for (const auto make : {make_serve,
                          make_chat,
                          make_generate,
                          make_status,
                          make_perplexity,
                          make_bench,
                          make_tokenize,
                          make_render,
                          make_inspect,
                          make_call,
                          make_pull,
                          make_plan,
                          make_verify})
    commands.push_back(make());
  return commands;
}

}  // namespace shoal::launch
