#include <cstdio>

#include "launch/access_options.h"
#include "launch/commands/all_commands.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/coordinator/client/dynamic_call.h"

namespace shoal::launch {
namespace {

class Call final : public Command {
 public:
  std::string name() const override { return "call"; }
  std::string summary() const override {
    return "One gRPC method by name: call list | describe NAME | SERVICE/METHOD [JSON]";
  }

  void declare(OptionSet& options) override {
    server_.address = "127.0.0.1:50051";
    server_.declare(options);
    options.add("--timeout", timeout_seconds_, "Seconds for the whole call; 0: none");
    options.add_words(words_, "list, describe NAME, or a method and its JSON request");
  }

  int run() override {
    if (words_.empty())
      throw Error(
          ExitCode::kUsage,
          "say what to call: `shoal call list`, or `shoal call ModelService/GetModel '{}'`");
    if (words_[0] == "list") {
      for (const std::string& method : client::callable_methods()) fmt::print("{}\n", method);
      return 0;
    }
    if (words_[0] == "describe") {
      if (words_.size() != 2) throw Error(ExitCode::kUsage, "shoal call describe NAME");
      fmt::print("{}", client::describe(words_[1]));
      return 0;
    }
    if (words_.size() > 2) throw Error(ExitCode::kUsage, "shoal call SERVICE/METHOD [JSON]");
    client::DynamicCall call{.method = words_[0]};
    if (words_.size() == 2) call.request_json = words_[1];
    if (timeout_seconds_ > 0)
      call.deadline = Deadline::after(std::chrono::seconds(timeout_seconds_));
    client::call_method(server_.address, client_access(server_), call, [](const std::string& json) {
      fmt::print("{}\n", json);
      std::fflush(stdout);
    });
    return 0;
  }

 private:
  ServerAddress server_;
  std::vector<std::string> words_;
  int timeout_seconds_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_call() { return std::make_unique<Call>(); }

}  // namespace shoal::launch
