#include <algorithm>
#include <cstdio>

#include "launch/cluster_hardware.h"
#include "launch/commands/all_commands.h"
#include "launch/plan_report.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

constexpr int kMostDevices = 1024;

// From headers and a description of machines alone: nothing is started, no GPU is looked at.
class Plan final : public Command {
 public:
  std::string name() const override { return "plan"; }
  std::string summary() const override {
    return "Whether and how a model fits on a cluster, and what it would do";
  }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Plan");
    options.add("--cluster", cluster_path_, "Cluster file (YAML) with hosts and their devices");
    options.add("--on", on_, "Instead of a file: HOSTSxDEVICESxKIND, such as 2x8xh100");
    options.add("--ranks", ranks_, "Judge one pipeline stage of N ranks");
    options.add("--pp,--pipeline-parallel-size", pp_, "Judge so many pipeline stages");
    options.add("--ep,--expert-parallel-size", ep_, "of so many ranks each");
    options.add(
        "-c,--ctx-size,--max-model-len", wishes_.context, "Tokens per sequence; 0: the model's");
    options.add(
        "--parallel,--max-num-seqs", wishes_.max_sequences, "Sequences that run at once (-np)");
    options.add("-b,--batch-size,--max-num-batched-tokens",
                wishes_.max_batch_tokens,
                "Tokens that a rank takes in one step");
    options.add_switch("--explain", explain_, "Where the time of a step goes");
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    if (cluster_path_.empty() == on_.empty())
      throw Error(ExitCode::kUsage,
                  "say the machines once: --cluster FILE.yaml, or --on HOSTSxDEVICESxKIND");
    if (!on_.empty()) {
      hardware_ = hardware_named(on_);
    } else {
      take_file(options, read_cluster_file(cluster_path_));
    }
    take_shape(options);
    if (hardware_.num_devices() > kMostDevices)
      throw Error(
          ExitCode::kUsage,
          fmt::format(
              "{} devices: at most {} can be planned for", hardware_.num_devices(), kMostDevices));
    const auto limit = [](const char* flag, int64_t value, int64_t min, int64_t max) {
      if (value < min || value > max)
        throw Error(ExitCode::kUsage,
                    fmt::format("{} is {}: it must lie in {}..{}", flag, value, min, max));
    };
    limit("--ctx-size", wishes_.context, 0, int64_t{1} << 24);
    limit("--parallel", wishes_.max_sequences, 1, 4096);
    limit("--batch-size", wishes_.max_batch_tokens, 1, 1 << 16);
    const bool cpu = std::all_of(hardware_.nodes.begin(),
                                 hardware_.nodes.end(),
                                 [](const auto& node) { return node.device.name == "cpu"; });
    wishes_.backend = cpu ? Backend::kCpu : Backend::kCuda;
  }

  int run() override {
    const loader::ModelFiles files = loader::open_model(model_.local_path());
    const loader::ModelConfig config = loader::parse_model_config(files.metadata, files.directory);
    const sharding::ForecastInputs inputs{files.directory, config, hardware_};
    const sharding::LayoutReport report = sharding::search_layouts(inputs, wishes_);
    const PlanSubject subject{inputs, wishes_, report};
    if (output.json)
      fmt::print("{}\n", plan_json(subject).dump());
    else
      fmt::print("{}", plan_text(subject, explain_ ? PlanDetail::kExplained : PlanDetail::kTables));
    if (report.chosen >= 0) return static_cast<int>(ExitCode::kDone);
    const bool contradiction = !wishes_.widths.empty() && report.judged.front().refusal.usage;
    throw Error(contradiction ? ExitCode::kUsage : ExitCode::kDoesNotFit,
                wishes_.widths.empty() ? report.why : report.judged.front().refusal.reason);
  }

 private:
  void take_file(const OptionSet& options, const ClusterFile& file) {
    hardware_ = hardware_of(file);
    wishes_.widths = file.ep_per_stage();
    wishes_.layers_per_stage = file.layers_per_stage();
    if (file.context && !options.given("ctx-size")) wishes_.context = *file.context;
    if (file.max_sequences && !options.given("parallel"))
      wishes_.max_sequences = *file.max_sequences;
  }

  // Flags beside a file ask "what if": unlike for `serve`, nothing runs that could differ from it.
  void take_shape(const OptionSet& options) {
    const bool grid = options.given("pp") || options.given("ep");
    if (!options.given("ranks") && !grid) return;
    if (options.given("ranks") && grid)
      throw Error(ExitCode::kUsage, "--ranks and --pp/--ep contradict: --ranks N is one stage");
    const int pp = grid ? pp_ : 1, ep = grid ? ep_ : ranks_;
    if (pp < 1 || pp > kMostDevices || ep < 1 || ep > kMostDevices)
      throw Error(
          ExitCode::kUsage,
          fmt::format("{} stages of {} ranks: both must lie in 1..{}", pp, ep, kMostDevices));
    wishes_.widths.assign(static_cast<size_t>(pp), ep);
    wishes_.layers_per_stage.clear();
  }

  ModelOptions model_;
  std::string cluster_path_, on_;
  int ranks_ = 1, pp_ = 1, ep_ = 1;
  bool explain_ = false;
  sharding::PlanWishes wishes_;
  sharding::ClusterHardware hardware_;
};

}  // namespace

std::unique_ptr<Command> make_plan() { return std::make_unique<Plan>(); }

}  // namespace shoal::launch
