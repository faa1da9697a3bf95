#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "launch/engine/engine_commands.h"
#include "launch/engine/engine_run.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/text/tokenizer.h"

namespace shoal::launch {
namespace {

class EnginePerplexity final : public Command {
 public:
  explicit EnginePerplexity(transport::HostComm& comm) : comm_(comm) {}
  std::string name() const override { return "perplexity"; }
  std::string summary() const override { return "How well the model predicts a text"; }

  void declare(OptionSet& options) override {
    shape_.context = 512;
    options.group("Text");
    options.add("-f,--file", file_, "The text, byte for byte; - is stdin");
    options.add("--chunks", max_chunks_, "Score the first N chunks of -c tokens");
    model_.declare(options);
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    if (file_.empty()) throw Error(ExitCode::kUsage, "no text: -f FILE is needed");
    if (shape_.context < 4 || max_chunks_ < 1)
      throw Error(ExitCode::kUsage, "-c must be 4 or more, --chunks 1 or more");
    shape_.max_sequences = static_cast<int>(max_chunks_);  // no slot is used twice
  }

  int run() override {
    const EngineModel model = open_engine_model(model_, shape_, comm_);
    const auto n_ctx = static_cast<size_t>(shape_.context);
    const std::vector<int32_t> ids =
        text::Tokenizer(model.vocab)
            .encode(read_text_file(file_, "text file"), text::SpecialTokens::kPlainText);
    std::vector<ScriptSequence> chunks;
    for (size_t i = 0; i < static_cast<size_t>(max_chunks_) && (i + 1) * n_ctx <= ids.size(); ++i) {
      const auto first = ids.begin() + static_cast<int64_t>(i * n_ctx);
      chunks.push_back({.prompt = {first, first + shape_.context},
                        .score = plan::Score::kChunk,
                        .score_start = shape_.context / 2});
    }
    if (chunks.empty())
      throw Error(ExitCode::kRequest,
                  fmt::format("the text has {} tokens: one chunk needs {}", ids.size(), n_ctx));
    std::vector<double> sums(chunks.size());
    run_script(model,
               comm_,
               shape_.threads,
               make_script(model.shards, chunks),
               [&](const plan::StepResult& result) {
                 for (const plan::TokenScore& score : result.tokens)
                   sums[score.id - 1] -= static_cast<double>(score.logprob);
               });
    print(sums, static_cast<double>(shape_.context - 1 - shape_.context / 2));
    return 0;
  }

 private:
  // Each rank knows the chunks that it owned.
  void print(const std::vector<double>& sums, double rows) const {
    for (size_t chunk = 0; chunk < sums.size(); ++chunk)
      if (sums[chunk] > 0)
        fmt::print("chunk {:>4}: {:.6f} nats a token, perplexity {:.4f}\n",
                   chunk + 1,
                   sums[chunk] / rows,
                   std::exp(sums[chunk] / rows));
  }

  transport::HostComm& comm_;
  ModelOptions model_;
  ClusterOptions shape_;
  std::string file_;
  int64_t max_chunks_ = 4;
};

}  // namespace

std::unique_ptr<Command> make_engine_perplexity(transport::HostComm& comm) {
  return std::make_unique<EnginePerplexity>(comm);
}

}  // namespace shoal::launch
