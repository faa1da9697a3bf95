#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "launch/chunk_scores.h"
#include "launch/commands/all_commands.h"
#include "launch/kl_divergence.h"
#include "launch/logits_file.h"
#include "launch/open_served_model.h"
#include "launch/private_cluster.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class Perplexity final : public Command {
 public:
  std::string name() const override { return "perplexity"; }
  std::string summary() const override { return "How well the model predicts a text"; }

  void declare(OptionSet& options) override {
    shape_.context = 512;
    shape_.max_sequences = 4;
    model_.declare(options);
    options.group("Text");
    options.add("-f,--file", file_, "The text, byte for byte; - is stdin");
    options.add("--chunks", max_chunks_, "Score the first N chunks of -c tokens; 0: all");
    options.add("--save-all-logits", save_path_, "Write log-probabilities to FILE");
    options.add("--kl-divergence-base",
                base_path_,
                "The saved file to compare with; without --kl-divergence the file to write");
    options.add_switch("--kl-divergence", kl_, "Compare with --kl-divergence-base");
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    if (kl_ && base_path_.empty())
      throw Error(ExitCode::kUsage, "--kl-divergence needs --kl-divergence-base FILE");
    if (!kl_ && save_path_.empty()) save_path_ = base_path_;
    if (!kl_ && file_.empty()) throw Error(ExitCode::kUsage, "no text: -f FILE is needed");
    if (shape_.context < 4 || shape_.context > 1 << 20)
      throw Error(ExitCode::kUsage,
                  fmt::format("--ctx-size is {}: a chunk has 4 to 1048576 tokens", shape_.context));
    if (max_chunks_ < 0)
      throw Error(ExitCode::kUsage,
                  fmt::format("--chunks is {}: it must be 0 or more", max_chunks_));
  }

  int run() override {
    ClusterConfig config;
    config.model = open_served_model(model_.local_path(), model_.alias);
    if (kl_) base_.emplace(LogitsFile::open(base_path_));
    const ChunkPlan plan = kl_ ? saved_chunks(*config.model) : text_chunks(*config.model);
    shape_.context = plan.n_ctx;
    if (!save_path_.empty())
      saved_.emplace(LogitsFile::create(save_path_,
                                        {plan.n_ctx,
                                         static_cast<int32_t>(config.model->config.vocab_size),
                                         plan.num_chunks(),
                                         plan.ids}));
    config.shape = shape_;
    config.verbose = output.verbose;
    return run_on_private_cluster(config, [&](Cluster& cluster) { return score(cluster, plan); });
  }

 private:
  ChunkPlan text_chunks(const coordinator::ServedModel& model) const {
    ChunkPlan plan;
    plan.n_ctx = static_cast<int>(shape_.context);
    plan.full_rows = !save_path_.empty();
    plan.in_flight = shape_.max_sequences;
    plan.ids = model.tokenizer->encode(read_text_file(file_, "text file"),
                                       text::SpecialTokens::kPlainText);
    cut_into_chunks(plan, max_chunks_);
    return plan;
  }

  ChunkPlan saved_chunks(const coordinator::ServedModel& model) const {
    const LogitsFileHeader& header = base_->header();
    if (header.n_vocab != model.config.vocab_size)
      throw Error(ExitCode::kUsage,
                  fmt::format("{} was saved with a vocabulary of {}, the model has {}",
                              base_path_,
                              header.n_vocab,
                              model.config.vocab_size));
    ChunkPlan plan;
    plan.n_ctx = header.n_ctx;
    plan.ids = header.ids;
    plan.full_rows = true;
    plan.in_flight = shape_.max_sequences;
    for (const int32_t id : plan.ids)
      if (id < 0 || id >= header.n_vocab)
        throw Error(ExitCode::kUsage, fmt::format("{} holds the token id {}", base_path_, id));
    if (max_chunks_ > 0 && max_chunks_ < plan.num_chunks())
      plan.ids.resize(static_cast<size_t>(max_chunks_) * static_cast<size_t>(plan.n_ctx));
    return plan;
  }

  int score(Cluster& cluster, const ChunkPlan& plan) {
    const std::vector<double> means =
        score_chunks(cluster.requests(), plan, [&](const ScoredRow& row) { take(plan, row); });
    if (saved_) saved_->finish();
    const double perplexity = std::exp(mean(means));
    if (output.json)
      print_json(plan, means, perplexity);
    else
      print_text(plan, means, perplexity);
    return 0;
  }

  void take(const ChunkPlan& plan, const ScoredRow& row) {
    if (saved_) saved_->write_row(row.chunk, row.row, row.row_logprobs);
    if (kl_) divergence_.add(base_->read_row(row.chunk, row.row), row.row_logprobs, row.token);
    if (row.row + 1 == plan.rows_per_chunk())
      fmt::print(stderr,
                 "\r[{}/{}]{}",
                 row.chunk + 1,
                 plan.num_chunks(),
                 row.chunk + 1 == plan.num_chunks() ? "\n" : "");
  }

  void print_json(const ChunkPlan& plan,
                  const std::vector<double>& means,
                  double perplexity) const {
    nlohmann::ordered_json json = {{"perplexity", perplexity},
                                   {"mean_nll_per_chunk", means},
                                   {"tokens", plan.num_chunks() * plan.rows_per_chunk()}};
    if (kl_) {
      const KlSummary::Result kl = divergence_.result();
      json["kl_divergence"] = {{"mean", kl.mean},
                               {"median", kl.median},
                               {"p99", kl.p99},
                               {"max", kl.max},
                               {"same_top", kl.same_top},
                               {"base_perplexity", kl.base_perplexity}};
    }
    fmt::print("{}\n", json.dump());
  }

  void print_text(const ChunkPlan& plan,
                  const std::vector<double>& means,
                  double perplexity) const {
    for (size_t chunk = 0; chunk < means.size(); ++chunk)
      fmt::print("chunk {:>4}: {:.6f} nats a token\n", chunk + 1, means[chunk]);
    fmt::print("perplexity {:.4f} over {} tokens\n",
               perplexity,
               plan.num_chunks() * plan.rows_per_chunk());
    if (!kl_) return;
    const KlSummary::Result kl = divergence_.result();
    fmt::print("perplexity of the saved run {:.4f}\n", kl.base_perplexity);
    fmt::print("KL divergence: mean {:.3e}, median {:.3e}, 99% {:.3e}, max {:.3e}\n",
               kl.mean,
               kl.median,
               kl.p99,
               kl.max);
    fmt::print("same likeliest token: {:.2f} %\n", 100 * kl.same_top);
  }

  ModelOptions model_;
  ClusterOptions shape_;
  std::string file_, save_path_, base_path_;
  int max_chunks_ = 0;
  bool kl_ = false;
  std::optional<LogitsFile> saved_, base_;
  KlSummary divergence_;
};

}  // namespace

std::unique_ptr<Command> make_perplexity() { return std::make_unique<Perplexity>(); }

}  // namespace shoal::launch
