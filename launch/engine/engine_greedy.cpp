#include <cstdio>
#include <nlohmann/json.hpp>

#include "launch/engine/engine_commands.h"
#include "launch/engine/engine_run.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/text/tokenizer.h"

namespace shoal::launch {
namespace {

class Greedy final : public Command {
 public:
  explicit Greedy(transport::HostComm& comm) : comm_(comm) {}
  std::string name() const override { return "greedy"; }
  std::string summary() const override { return "Continue one prompt with the likeliest tokens"; }

  void declare(OptionSet& options) override {
    shape_.context = 1024;
    options.group("Prompt");
    options.add("-p,--prompt", text_, "Raw text; special tokens in it are recognised");
    options.add_list("--prompt-ids", ids_, "Token ids, 1,2,3");
    options.add("-n,--predict", num_tokens_, "Most tokens to generate");
    model_.declare(options);
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    if (options.given("prompt") == options.given("prompt-ids"))
      throw Error(ExitCode::kUsage, "what to continue: give one of -p TEXT and --prompt-ids 1,2,3");
    if (num_tokens_ < 1)
      throw Error(ExitCode::kUsage, fmt::format("-n is {}: it must be 1 or more", num_tokens_));
  }

  int run() override {
    const EngineModel model = open_engine_model(model_, shape_, comm_);
    const text::Tokenizer tokenizer(model.vocab);
    if (ids_.empty()) ids_ = tokenizer.encode(text_, text::SpecialTokens::kRecognize);
    for (const int32_t id : ids_)
      if (id < 0 || id >= model.config.vocab_size)
        throw Error(ExitCode::kRequest, fmt::format("the vocabulary has no token {}", id));
    std::vector<int32_t> generated;
    run_script(model,
               comm_,
               shape_.threads,
               make_script(model.shards, {{ids_, num_tokens_}}),
               [&](const plan::StepResult& result) {
                 for (const plan::TokenScore& score : result.tokens)
                   if (score.sampled) generated.push_back(score.token);
               });
    if (comm_.rank() == reporting_rank(model.shards.grid)) print(tokenizer, generated);
    return 0;
  }

 private:
  // The script runs to its end whatever comes; what follows a stop token is not output.
  void print(const text::Tokenizer& tokenizer, std::vector<int32_t> ids) const {
    for (size_t i = 0; i < ids.size(); ++i)
      if (tokenizer.is_end(ids[i])) ids.resize(i + 1);
    std::vector<int32_t> spoken = ids;
    if (!spoken.empty() && tokenizer.is_end(spoken.back())) spoken.pop_back();
    const std::string text = tokenizer.decode(spoken);
    if (output.json)
      fmt::print(
          "{}\n",
          nlohmann::ordered_json{{"text", text}, {"token_ids", ids}, {"prompt_token_ids", ids_}}
              .dump());
    else
      fmt::print("{}\n", text);
  }

  transport::HostComm& comm_;
  ModelOptions model_;
  ClusterOptions shape_;
  std::string text_;
  std::vector<int32_t> ids_;
  int64_t num_tokens_ = 64;
};

}  // namespace

std::unique_ptr<Command> make_engine_greedy(transport::HostComm& comm) {
  return std::make_unique<Greedy>(comm);
}

}  // namespace shoal::launch
