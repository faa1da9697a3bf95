#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "launch/commands/all_commands.h"
#include "launch/stream_printer.h"
#include "launch/use_server.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

constexpr std::string_view kThinkEnd = "</think>";

// What the model thought goes back apart from what it said; a template may leave it out.
client::ChatMessage assistant_message(const std::string& text) {
  client::ChatMessage message;
  message.role = "assistant";
  message.content = text;
  const size_t end = text.find(kThinkEnd);
  if (end == std::string::npos) return message;
  message.reasoning_content = text.substr(0, end);
  message.content = text.substr(end + kThinkEnd.size());
  return message;
}

class Chat final : public Command {
 public:
  std::string name() const override { return "chat"; }
  std::string summary() const override { return "A conversation; /reset forgets it, /exit leaves"; }

  void declare(OptionSet& options) override {
    options.group("Chat");
    options.add("--system", system_, "A system message that opens the conversation");
    sampling_.declare(options);
    server_.shape.cache_mib = -1;  // each turn starts behind the one before
    server_.declare(options);
  }

  void resolve(OptionSet& options) override {
    server_.verbose = output.verbose;
    server_.resolve(options);
    sampling_.validate();
  }

  int run() override {
    return use_server(server_,
                      [&](client::GenerateClient& client, const std::atomic<bool>& interrupted) {
                        const bool is_terminal = isatty(STDIN_FILENO) != 0;
                        reset();
                        for (std::string line; !interrupted; line.clear()) {
                          if (is_terminal) fmt::print("> ");
                          std::fflush(stdout);
                          if (!std::getline(std::cin, line) || line == "/exit") break;
                          if (line == "/reset") reset();
                          if (!line.empty() && line != "/reset") answer(client, line, interrupted);
                        }
                        return 0;
                      });
  }

 private:
  void reset() {
    messages_.clear();
    if (!system_.empty()) messages_.push_back({"system", system_, "", "", ""});
  }

  void answer(client::GenerateClient& client,
              const std::string& line,
              const std::atomic<bool>& interrupted) {
    messages_.push_back({"user", line, "", "", ""});
    client::GenerateOptions options = to_request(sampling_);
    options.prompt = client::ChatPrompt{.messages = messages_};
    StreamPrinter printer(stdout);
    client.stream_generate(options, printer.events(), &interrupted);
    printer.end();
    if (output.verbose) fmt::print(stderr, "{}\n", printer.statistics());
    messages_.push_back(assistant_message(printer.text()));
  }

  std::string system_;
  SamplingOptions sampling_;
  ServerChoice server_;
  std::vector<client::ChatMessage> messages_;
};

}  // namespace

std::unique_ptr<Command> make_chat() { return std::make_unique<Chat>(); }

}  // namespace shoal::launch
