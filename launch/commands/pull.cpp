#include <cstdio>
#include <nlohmann/json.hpp>

#include "launch/commands/all_commands.h"
#include "launch/model_fetch.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

class Pull final : public Command {
 public:
  std::string name() const override { return "pull"; }
  std::string summary() const override { return "Fetch a model's files from a hub into the cache"; }

  void declare(OptionSet& options) override {
    model_.declare_hub(options);
    options.add_words(words_, "OWNER/NAME[:QUANT], as behind -hf");
    options.group("Part");
    options.add("--shards-of-rank", rank_, "Only what rank R of the grid reads; -1: all");
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    if (words_.size() > 1 || words_.empty() == model_.hf_repo.empty())
      throw Error(ExitCode::kUsage, "what to fetch: give one OWNER/NAME[:QUANT]");
    if (!words_.empty()) model_.hf_repo = words_.front();
    if (rank_ < -1)
      throw Error(ExitCode::kUsage,
                  fmt::format("--shards-of-rank is {}: it must be 0 or more", rank_));
    shape_.resolve(options);
  }

  int run() override {
    const FetchedModel model = fetch_model(model_, {rank_, shape_});
    if (output.json)
      fmt::print("{}\n",
                 nlohmann::ordered_json{{"path", model.paths.front()},
                                        {"quant", model.label},
                                        {"files", model.paths},
                                        {"bytes", model.bytes},
                                        {"fetched_bytes", model.fetched}}
                     .dump());
    else
      fmt::print("{}\n", model.paths.front());
    return 0;
  }

 private:
  ModelOptions model_;
  ClusterOptions shape_;
  std::vector<std::string> words_;
  int rank_ = -1;
};

}  // namespace

std::unique_ptr<Command> make_pull() { return std::make_unique<Pull>(); }

}  // namespace shoal::launch
