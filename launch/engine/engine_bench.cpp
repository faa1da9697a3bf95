#include <cstdio>
#include <numeric>
#include <random>

#include "launch/bench_table.h"
#include "launch/engine/engine_commands.h"
#include "launch/engine/engine_run.h"
#include "launch/program.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

// Without a coordinator: what the engine alone does, and so what the rest costs.
class EngineBench final : public Command {
 public:
  explicit EngineBench(transport::HostComm& comm) : comm_(comm) {}
  std::string name() const override { return "bench"; }
  std::string summary() const override { return "Tokens a second of the engine alone"; }

  void declare(OptionSet& options) override {
    options.group("Bench");
    options.add("-p,--n-prompt", prompt_, "Prompt length to read; 0: none");
    options.add("-n,--n-gen", generation_, "Tokens to generate; 0: none");
    options.add("-r,--repetitions", repetitions_, "Runs of each test, after one to warm up");
    options.add("-o,--output-format", format_, "md, json or csv");
    model_.declare(options);
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    if (prompt_ < 0 || generation_ < 0 || repetitions_ < 1)
      throw Error(ExitCode::kUsage, "-p and -n must be 0 or more, -r 1 or more");
    if (output.json) format_ = "json";
    if (format_ != "md" && format_ != "json" && format_ != "csv")
      throw Error(ExitCode::kUsage, fmt::format("-o is '{}': it must be md, json or csv", format_));
    if (!options.given("ctx-size")) shape_.context = std::max(prompt_, generation_) + 1;
    shape_.max_sequences = 1;
  }

  // Each repetition is a script, and so loads the model anew; only the steps are timed.
  int run() override {
    const EngineModel model = open_engine_model(model_, shape_, comm_.size());
    std::vector<BenchResult> results;
    if (prompt_ > 0) results.push_back(measure(model, prompt_, 0));
    if (generation_ > 0) results.push_back(measure(model, 0, generation_));
    if (comm_.rank() != reporting_rank(model.shards.grid)) return 0;
    BenchHead head;
    head.model_filename = model.path;
    head.model_type = model.config.name;
    head.build = build_id();
    head.backend = "cpu";
    head.ranks = comm_.size();
    head.shape = fmt::format("{}x{}", shape_.pp, comm_.size() / shape_.pp);
    head.threads = shape_.threads;
    if (format_ == "md") fmt::print("{}", bench_markdown(head, results));
    if (format_ == "csv") fmt::print("{}", bench_csv(head, results));
    if (format_ == "json") fmt::print("{}", bench_json(head, results));
    return 0;
  }

 private:
  BenchResult measure(const EngineModel& model, int64_t prompt, int64_t generation) {
    BenchResult result{prompt, generation, 1, {}, 0};
    std::mt19937 random(1);  // the same tokens on every rank
    std::uniform_int_distribution<int32_t> any(0,
                                               static_cast<int32_t>(model.config.vocab_size) - 1);
    for (int64_t run = 0; run <= repetitions_; ++run) {
      ScriptSequence sequence;
      sequence.prompt.resize(static_cast<size_t>(std::max<int64_t>(prompt, 1)));
      for (int32_t& id : sequence.prompt) id = any(random);
      sequence.num_generated = std::max<int64_t>(generation, 1);
      const EngineTimes times = run_script(model,
                                           comm_,
                                           shape_.threads,
                                           make_script(model.shards, {sequence}),
                                           [](const plan::StepResult&) {});
      const double seconds =
          std::accumulate(times.step_seconds.begin(), times.step_seconds.end(), 0.0);
      if (run > 0)
        result.samples_ts.push_back(static_cast<double>(std::max(prompt, generation)) / seconds);
    }
    return result;
  }

  transport::HostComm& comm_;
  ModelOptions model_;
  ClusterOptions shape_;
  int64_t prompt_ = 512, generation_ = 128, repetitions_ = 5;
  std::string format_ = "md";
};

}  // namespace

std::unique_ptr<Command> make_engine_bench(transport::HostComm& comm) {
  return std::make_unique<EngineBench>(comm);
}

}  // namespace shoal::launch
