#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>

#include "launch/bench_table.h"
#include "launch/collected_stream.h"
#include "launch/commands/all_commands.h"
#include "launch/memory_bandwidth.h"
#include "launch/open_served_model.h"
#include "launch/private_cluster.h"
#include "launch/program.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

void check_counts(const char* flag, const std::vector<int64_t>& counts, int64_t min, int64_t max) {
  for (const int64_t count : counts)
    if (count < min || count > max)
      throw Error(ExitCode::kUsage,
                  fmt::format("{} has {}: each must lie in {}..{}", flag, count, min, max));
}

// Weight bytes that a lone decoded token reads: everything dense but the embedding table, and the
// chosen share of the experts.
double decode_bytes(const coordinator::ServedModel& model) {
  double bytes = 0;
  for (const loader::TensorInfo& tensor : model.directory.tensors()) {
    if (loader::tensor_layer(tensor) >= model.config.num_layers) continue;
    const loader::TensorClass kind = loader::tensor_class(tensor);
    double share = 1;
    if (kind == loader::TensorClass::kRoutedExpert)
      share = static_cast<double>(model.config.num_topk) / model.config.num_experts;
    if (kind == loader::TensorClass::kEmbedding && !model.config.tied_embeddings) share = 0;
    bytes += share * static_cast<double>(tensor.bytes);
  }
  return bytes;
}

class Bench final : public Command {
 public:
  std::string name() const override { return "bench"; }
  std::string summary() const override { return "Tokens a second, as llama-bench counts them"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Bench");
    options.add_list("-p,--n-prompt", prompts_, "Prompt lengths to read; 0: none");
    options.add_list("-n,--n-gen", generations_, "Token counts to generate; 0: none");
    options.add_list("--npl", parallel_, "Sequences at once (-npl)");
    options.add("-r,--repetitions", repetitions_, "Runs of each test, after one to warm up");
    options.add("-o,--output-format", format_, "md, json or csv");
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    check_counts("-p", prompts_, 0, 1 << 20);
    check_counts("-n", generations_, 0, 1 << 20);
    check_counts("-npl", parallel_, 1, 4096);
    check_counts("-r", {repetitions_}, 1, 1000);
    if (output.json) format_ = "json";
    if (format_ != "md" && format_ != "json" && format_ != "csv")
      throw Error(ExitCode::kUsage, fmt::format("-o is '{}': it must be md, json or csv", format_));
    const int64_t longest =
        std::max(*std::max_element(prompts_.begin(), prompts_.end()) + 1,
                 *std::max_element(generations_.begin(), generations_.end()) + 1);
    if (!options.given("ctx-size")) shape_.context = longest;
    if (!options.given("parallel"))
      shape_.max_sequences =
          static_cast<int>(*std::max_element(parallel_.begin(), parallel_.end()));
  }

  int run() override {
    ClusterConfig config;
    config.model = open_served_model(model_.local_path(), model_.alias);
    config.shape = shape_;
    config.verbose = output.verbose;
    return run_on_private_cluster(config, [&](Cluster& cluster) {
      std::vector<BenchResult> results;
      for (const int64_t parallel : parallel_) {
        for (const int64_t prompt : prompts_)
          if (prompt > 0) results.push_back(measure(cluster, prompt, 0, parallel));
        for (const int64_t generation : generations_)
          if (generation > 0) results.push_back(measure(cluster, 0, generation, parallel));
      }
      print(*config.model, cluster, results);
      return 0;
    });
  }

 private:
  BenchResult measure(Cluster& cluster, int64_t prompt, int64_t generation, int64_t parallel) {
    BenchResult result{prompt, generation, static_cast<int>(parallel), {}, 0};
    const auto num_tokens = static_cast<double>(std::max(prompt, generation) * parallel);
    for (int run = 0; run <= repetitions_; ++run) {
      fmt::print(stderr, "\r{}: {}/{} ", result.test(), run, repetitions_);
      const double seconds = run_once(cluster, result);
      if (run > 0) result.samples_ts.push_back(num_tokens / seconds);
    }
    fmt::print(stderr, "\r{:<40}\r", "");
    if (generation > 0 && parallel == 1) {
      result.bytes_per_token = decode_bytes(cluster.coordinator().model());
    }
    return result;
  }

  // A prompt test ends with its first token, for which the whole prompt was read; a generation
  // test reads one token and makes n_gen, which are n_gen steps.
  double run_once(Cluster& cluster, const BenchResult& test) {
    const auto vocab = static_cast<int32_t>(cluster.coordinator().model().config.vocab_size);
    std::uniform_int_distribution<int32_t> any_token(0, vocab - 1);
    std::vector<std::shared_ptr<CollectedStream>> streams;
    const auto begin = CollectedStream::Clock::now();
    for (int i = 0; i < test.n_parallel; ++i) {
      coordinator::GenerationRequest request;
      request.prompt_ids.resize(static_cast<size_t>(std::max<int64_t>(test.n_prompt, 1)));
      for (int32_t& id : request.prompt_ids) id = any_token(random_);
      request.max_tokens = std::max<int64_t>(test.n_gen, 1);
      request.stop.ignore_eos = true;
      streams.push_back(submit_collected(cluster.requests(), std::move(request)));
    }
    auto end = begin;
    for (const auto& stream : streams) {
      stream->wait();
      end = std::max(end, stream->ended_at());
    }
    return std::chrono::duration<double>(end - begin).count();
  }

  void print(const coordinator::ServedModel& model,
             Cluster& cluster,
             const std::vector<BenchResult>& results) const {
    const sharding::RankGrid& grid = cluster.coordinator().config().plan.grid;
    BenchHead head;
    head.model_filename = model.path;
    head.model_type = model.name;
    head.build = build_id();
    head.backend = "cpu";
    head.ranks = grid.world_size();
    head.shape = fmt::format("{}x{}", grid.num_stages(), grid.ep(0));
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    head.threads = shape_.threads > 0 ? shape_.threads : std::max(1, cores / head.ranks);
    head.model_size = model.directory.total_bytes();
    for (const loader::TensorInfo& tensor : model.directory.tensors())
      head.model_n_params += static_cast<uint64_t>(tensor.elements());
    head.read_bandwidth = measure_read_bandwidth(head.threads * head.ranks);
    if (format_ == "md") fmt::print("{}", bench_markdown(head, results));
    if (format_ == "csv") fmt::print("{}", bench_csv(head, results));
    if (format_ == "json") fmt::print("{}", bench_json(head, results));
  }

  ModelOptions model_;
  ClusterOptions shape_;
  std::vector<int64_t> prompts_ = {512}, generations_ = {128}, parallel_ = {1};
  int64_t repetitions_ = 5;
  std::string format_ = "md";
  std::mt19937 random_{1};
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace shoal::launch
