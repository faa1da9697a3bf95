#include <cstdio>

#include "launch/commands/all_commands.h"
#include "loader/format/describe.h"
#include "loader/io/model_files.h"

namespace shoal::launch {
namespace {

class Inspect final : public Command {
 public:
  std::string name() const override { return "inspect"; }
  std::string summary() const override { return "Header, quantisation mix and tensors of a model"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Inspect");
    options.add_switch("--tensors", tensors_, "Every tensor with its type, shape and place");
  }

  void resolve(OptionSet&) override { model_.validate(); }

  int run() override {
    const loader::ModelFiles files = loader::open_model(model_.local_path());
    if (output.json) {
      fmt::print("{}\n", loader::describe_model(files.metadata, files.directory).dump());
      return 0;
    }
    const auto detail = tensors_ ? loader::Detail::kTensors : loader::Detail::kSummary;
    fmt::print("{}", loader::describe_model_text(files.metadata, files.directory, detail));
    return 0;
  }

 private:
  ModelOptions model_;
  bool tensors_ = false;
};

}  // namespace

std::unique_ptr<Command> make_inspect() { return std::make_unique<Inspect>(); }

}  // namespace shoal::launch
