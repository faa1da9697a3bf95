#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <set>

#include "launch/bench_table.h"
#include "launch/engine/engine_commands.h"
#include "launch/engine/engine_run.h"
#include "launch/program.h"
#include "loader/format/synthetic_model.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"

namespace shoal::launch {
namespace {

// Without a coordinator: what the engine alone does, and so what the rest costs. The model is
// loaded once; all tests are one script. Decode runs in bursts, so that no word of the host lies
// between two of its steps.
class EngineBench final : public Command {
 public:
  explicit EngineBench(transport::HostComm& comm) : comm_(comm) {}
  std::string name() const override { return "bench"; }
  std::string summary() const override { return "Tokens a second of the engine alone"; }

  void declare(OptionSet& options) override {
    options.group("Bench");
    options.add_list("-p,--n-prompt", prompts_, "Prompt lengths to read; 0: none");
    options.add_list("-n,--n-gen", generations_, "Token counts to generate; 0: none");
    options.add_list("--npl", parallel_, "Sequences that generate at once (-npl)");
    options.add("--npp", depth_, "Tokens that each of several sequences holds before (-npp)");
    options.add("-r,--repetitions", repetitions_, "Runs of each test, after one to warm up");
    options.add("-o,--output-format", format_, "md, json or csv");
    options.add(
        "--synthetic",
        synthetic_,
        "Instead of -m: 35b, 122b or 397b, then :ud-q4, :ud-q3, :mxfp4 or :q8, then :LAYERS "
        "if not all; weights are random");
    model_.declare(options);
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    if (!synthetic_.empty()) {
      if (!model_.path.empty())
        throw Error(ExitCode::kUsage, "-m and --synthetic contradict: give one of them");
      model_.path = std::string(loader::kSyntheticPrefix) + synthetic_;
    }
    model_.validate();
    shape_.resolve(options);
    check("-p", prompts_, 0);
    check("-n", generations_, 0);
    check("-npl", parallel_, 1);
    check("-npp", {depth_}, 1);
    check("-r", {repetitions_}, 1);
    if (output.json) format_ = "json";
    if (format_ != "md" && format_ != "json" && format_ != "csv")
      throw Error(ExitCode::kUsage, fmt::format("-o is '{}': it must be md, json or csv", format_));
    for (const int64_t prompt : prompts_)
      if (prompt > 0) tests_.push_back({prompt, 0, 1, {}, 0});
    for (const int64_t parallel : parallel_)
      for (const int64_t generation : generations_)
        if (generation > 0) tests_.push_back({0, generation, static_cast<int>(parallel), {}, 0});
    int64_t longest = 0;
    int most = 1;
    for (const BenchResult& test : tests_) {
      longest = std::max(longest, prompt_of(test) + test.n_gen + 1);
      most = std::max(most, test.n_parallel);
    }
    if (!options.given("ctx-size")) shape_.context = longest;
    if (!options.given("parallel")) shape_.max_sequences = most;
  }

  int run() override {
    const EngineModel model = open_engine_model(model_, shape_, comm_);
    std::vector<std::vector<plan::StepPlan>> scripts;
    for (const BenchResult& test : tests_)
      for (int64_t run = 0; run <= repetitions_; ++run) scripts.push_back(script_for(test, model));
    std::vector<std::vector<bool>> counts;  // which plans of a script are timed
    for (const auto& script : scripts) {
      counts.emplace_back();
      for (const plan::StepPlan& step : script)
        counts.back().push_back(step.sequences.front().tokens.front() == plan::kPreviousSample ||
                                tests_[(counts.size() - 1) / runs_per_test()].n_gen == 0);
    }
    const EngineTimes times = run_script(model,
                                         comm_,
                                         shape_.threads,
                                         join_scripts(std::move(scripts)),
                                         [this](const plan::StepResult& result) {
                                           for (const plan::TokenScore& score : result.tokens) {
                                             if (score.sampled) tokens_seen_.insert(score.token);
                                           }
                                         });
    take_samples(counts, times);
    warn_of_dead_logits();
    if (comm_.rank() == reporting_rank(model.shards.grid)) print(model);
    return 0;
  }

 private:
  // Broken weights give one token for ever, and one set of experts for all: no timing of theirs
  // means anything.
  void warn_of_dead_logits() const {
    const bool many = std::any_of(tests_.begin(), tests_.end(), [](const BenchResult& test) {
      return test.n_gen * test.n_parallel >= 16;
    });
    if (many && tokens_seen_.size() == 1)
      log::warn("every token was {}: are the weights whole?", *tokens_seen_.begin());
    else if (many && !tokens_seen_.empty())
      log::info("{} different tokens were generated", tokens_seen_.size());
  }

  static void check(const char* flag, const std::vector<int64_t>& values, int64_t min) {
    for (const int64_t value : values)
      if (value < min || value > 1 << 20)
        throw Error(ExitCode::kUsage,
                    fmt::format("{} has {}: each must lie in {}..{}", flag, value, min, 1 << 20));
  }
  size_t runs_per_test() const { return static_cast<size_t>(repetitions_) + 1; }

  // A lone sequence starts from one token, as llama-bench's; several from a prompt each.
  int64_t prompt_of(const BenchResult& test) const {
    if (test.n_gen == 0) return test.n_prompt;
    return test.n_parallel == 1 ? 1 : depth_;
  }

  // A prompt test ends with its first token, for which the whole prompt was read.
  std::vector<plan::StepPlan> script_for(const BenchResult& test, const EngineModel& model) {
    std::uniform_int_distribution<int32_t> any(0,
                                               static_cast<int32_t>(model.config.vocab_size) - 1);
    std::vector<ScriptSequence> sequences(static_cast<size_t>(test.n_parallel));
    for (ScriptSequence& sequence : sequences) {
      sequence.prompt.resize(static_cast<size_t>(prompt_of(test)));
      for (int32_t& id : sequence.prompt) id = any(random_);
      sequence.num_generated = test.n_gen + 1;
    }
    return make_script(model.shards, sequences, test.n_gen);
  }

  void take_samples(const std::vector<std::vector<bool>>& counts, const EngineTimes& times) {
    size_t step = 0;
    for (size_t script = 0; script < counts.size(); ++script) {
      double seconds = 0;
      for (const bool timed : counts[script])
        seconds += timed ? times.step_seconds[step++] : (++step, 0.0);
      if (script % runs_per_test() == 0) continue;
      BenchResult& test = tests_[script / runs_per_test()];
      const int64_t tokens = test.n_gen == 0 ? test.n_prompt : test.n_gen * test.n_parallel;
      test.samples_ts.push_back(static_cast<double>(tokens) / seconds);
    }
  }

  void print(const EngineModel& model) const {
    BenchHead head;
    head.model_filename = model.path;
    head.model_type = model.config.name;
    head.model_size = model.weight_bytes;
    head.model_n_params = model.num_params;
    head.build = build_id();
    head.backend = backend_name(model.backend);
    head.device = model.device;
    head.ranks = comm_.size();
    head.shape = fmt::format("{}x{}", shape_.pp, comm_.size() / shape_.pp);
    head.threads = shape_.threads;
    if (format_ == "md") fmt::print("{}", bench_markdown(head, tests_));
    if (format_ == "csv") fmt::print("{}", bench_csv(head, tests_));
    if (format_ == "json") fmt::print("{}", bench_json(head, tests_));
  }

  transport::HostComm& comm_;
  ModelOptions model_;
  ClusterOptions shape_;
  std::vector<int64_t> prompts_ = {512}, generations_ = {128}, parallel_ = {1};
  int64_t repetitions_ = 5, depth_ = 256;
  std::string format_ = "md", synthetic_;
  std::vector<BenchResult> tests_;
  std::set<int32_t> tokens_seen_;
  std::mt19937 random_{1};  // the same tokens on every rank
};

}  // namespace

std::unique_ptr<Command> make_engine_bench(transport::HostComm& comm) {
  return std::make_unique<EngineBench>(comm);
}

}  // namespace shoal::launch
