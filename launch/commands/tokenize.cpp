#include <cstdio>
#include <nlohmann/json.hpp>

#include "launch/commands/all_commands.h"
#include "launch/open_served_model.h"
#include "launch/text_file.h"
#include "loader/format/vocab.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"
#include "runtime/text/tokenizer.h"

namespace shoal::launch {
namespace {

class Tokenize final : public Command {
 public:
  std::string name() const override { return "tokenize"; }
  std::string summary() const override { return "Text to token ids, as a JSON list"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Text");
    options.add("-p,--prompt", text_, "The text");
    options.add("-f,--file", file_, "A file, byte for byte; - is stdin");
    options.add_switch("--no-parse-special", plain_, "Special tokens in the text are plain text");
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    if (options.given("prompt") == options.given("file"))
      throw Error(ExitCode::kUsage, "what to tokenize: give one of -p TEXT and -f FILE");
    if (options.given("file")) text_ = read_text_file(file_, "text file");
  }

  // The vocabulary alone: any architecture whose tokenizer is ours.
  int run() override {
    const loader::ModelFiles files = loader::open_model(model_.local_path());
    const text::Tokenizer tokenizer(loader::parse_vocab(files.metadata));
    const auto special = plain_ ? text::SpecialTokens::kPlainText : text::SpecialTokens::kRecognize;
    const nlohmann::json ids = tokenizer.encode(text_, special);
    if (output.json)
      fmt::print("{}\n", nlohmann::json{{"token_ids", ids}}.dump());
    else
      fmt::print("{}\n", ids.dump());
    return 0;
  }

 private:
  ModelOptions model_;
  std::string text_, file_;
  bool plain_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tokenize() { return std::make_unique<Tokenize>(); }

}  // namespace shoal::launch
