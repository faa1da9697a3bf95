#include <cstdio>
#include <nlohmann/json.hpp>

#include "launch/commands/all_commands.h"
#include "launch/rank_table.h"
#include "launch/stream_printer.h"
#include "launch/text_file.h"
#include "launch/use_server.h"
#include "runtime/base/error.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::launch {
namespace {

class Generate final : public Command {
 public:
  std::string name() const override { return "generate"; }
  std::string summary() const override { return "Continue a prompt; prints the text as it comes"; }

  void declare(OptionSet& options) override {
    sampling_.temperature = 0;
    sampling_.max_tokens = 128;
    options.group("Prompt");
    options.add("-p,--prompt", text_, "Raw text; special tokens in it are recognised");
    options.add("-f,--file", file_, "A file of raw text, byte for byte; - is stdin");
    options.add("--chat", chat_, "A user's message, put through the chat template");
    options.add_list("--prompt-ids", ids_, "Token ids, 1,2,3");
    sampling_.declare(options);
    options.group("Output");
    options.add(
        "--choices", num_choices_, "Texts of the same prompt, each drawn with its own seed");
    options.add("--logprobs", wanted_.logprobs, "With --json: N likeliest tokens at each place");
    options.add_switch(
        "--prompt-logprobs", wanted_.prompt_logprobs, "With --json: also of the prompt's tokens");
    options.add_switch("--echo", wanted_.echo, "The prompt before the text");
    server_.declare(options);
  }

  void resolve(OptionSet& options) override {
    int given = 0;
    for (const char* way : {"prompt", "file", "chat", "prompt-ids"})
      given += options.given(way) ? 1 : 0;
    if (given != 1)
      throw Error(
          ExitCode::kUsage,
          "what to continue: give one of -p TEXT, -f FILE, --chat TEXT, --prompt-ids 1,2,3");
    server_.verbose = output.verbose;
    server_.resolve(options);
    if (num_choices_ < 1 || num_choices_ > coordinator::kMaxChoices)
      throw Error(
          ExitCode::kRequest,
          fmt::format(
              "--choices is {}: it must lie in 1..{}", num_choices_, coordinator::kMaxChoices));
    sampling_.validate();
    if (wanted_.logprobs && (*wanted_.logprobs < 0 || *wanted_.logprobs > 20))
      throw Error(ExitCode::kRequest,
                  fmt::format("--logprobs is {}: it must lie in 0..20", *wanted_.logprobs));
    if ((wanted_.logprobs || wanted_.prompt_logprobs) && !output.json)
      throw Error(ExitCode::kUsage, "--logprobs and --prompt-logprobs need --json");
    if (options.given("file")) text_ = read_text_file(file_, "text file");
    has_ids_ = options.given("prompt-ids");
    has_chat_ = options.given("chat");
  }

  int run() override {
    return use_server(
        server_, [&](client::GenerateClient& client, const std::atomic<bool>& interrupted) {
          client::GenerateOptions options = to_request(sampling_);
          options.prompt = prompt();
          options.output = wanted_;
          options.num_choices = num_choices_;
          // Only the server has the tokenizer, and the JSON names the prompt's ids.
          if (output.json) options.prompt = prompt_ids(client);
          StreamPrinter printer(output.json ? nullptr : stdout, num_choices_);
          client.stream_generate(options, printer.events(), &interrupted);
          printer.end();
          if (output.json)
            fmt::print("{}\n",
                       json(printer, std::get<std::vector<int32_t>>(options.prompt)).dump());
          else
            print_statistics(client, printer);
          return 0;
        });
  }

 private:
  nlohmann::ordered_json json(const StreamPrinter& printer,
                              const std::vector<int32_t>& prompt_ids) const {
    nlohmann::ordered_json out = printer.to_json(prompt_ids);
    if (wanted_.echo) out["prompt"] = printer.prompt_text();
    if (wanted_.logprobs) out["logprobs"] = printer.logprobs_json();
    if (wanted_.logprobs && out.contains("choices"))
      for (size_t i = 0; i < out["choices"].size(); ++i)
        out["choices"][i]["logprobs"] = printer.logprobs_json(i);
    if (wanted_.prompt_logprobs) out["prompt_logprobs"] = printer.prompt_logprobs_json(prompt_ids);
    return out;
  }

  decltype(client::GenerateOptions::prompt) prompt() const {
    if (has_ids_) return ids_;
    if (has_chat_) return client::ChatPrompt{.messages = {{"user", chat_, "", "", ""}}};
    return text_;
  }

  std::vector<int32_t> prompt_ids(client::GenerateClient& client) const {
    if (has_ids_) return ids_;
    if (has_chat_) return client.render_chat(std::get<client::ChatPrompt>(prompt())).ids;
    return client.tokenize(text_);
  }

  void print_statistics(client::GenerateClient& client, const StreamPrinter& printer) const {
    fmt::print(stderr, "\n{}\n", printer.statistics());
    if (!server_.is_private() && !output.verbose) return;
    const coordinator::ClusterStatus status = client.get_cluster();
    fmt::print(stderr, "\nheld\n{}\ndone\n{}", held_table(status), work_table(status));
  }

  std::string text_, file_, chat_;
  std::vector<int32_t> ids_;
  int num_choices_ = 1;
  bool has_ids_ = false, has_chat_ = false;
  SamplingOptions sampling_;
  client::OutputOptions wanted_;
  ServerChoice server_;
};

}  // namespace

std::unique_ptr<Command> make_generate() { return std::make_unique<Generate>(); }

}  // namespace shoal::launch
