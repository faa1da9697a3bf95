#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "launch/chunk_scores.h"
#include "launch/collected_stream.h"
#include "launch/commands/all_commands.h"
#include "launch/compare/compare_report.h"
#include "launch/kl_divergence.h"
#include "launch/logits_file.h"
#include "launch/model_fetch.h"
#include "launch/open_served_model.h"
#include "launch/private_cluster.h"
#include "launch/text_file.h"
#include "loader/format/split_set.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "models/M-Q4-00001-of-00005.gguf" -> "M-Q4"
std::string model_name(const std::string& path) {
  const auto split = loader::parse_split_name(path);
  std::string name = file_name(split ? split->prefix : path);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return printable(name, 100);
}

double top_of(std::span<const float> base, std::span<const float> ours) {
  const auto top = [](std::span<const float> row) {
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  return top(base) == top(ours) ? 1 : 0;
}

class Compare final : public Command {
 public:
  std::string name() const override { return "compare"; }
  std::string summary() const override {
    return "Which of several quantisations is good enough on a text";
  }

  void declare(OptionSet& options) override {
    shape_.context = 512;
    shape_.max_sequences = 4;
    options.group("Models");
    options.add_repeated(
        "-m,--model", paths_, "GGUF file or folder; repeat it. The first is judged against");
    options.add_repeated(
        "--hf-repo", repos_, "OWNER/NAME[:QUANT] of a hub; after those of -m (-hf)");
    options.add_list("--hf-mirror", hub_.hf_mirrors, "More hubs, asked when HF_ENDPOINT fails");
    options.add_switch("--offline", hub_.offline, "Only what the cache has");
    options.group("Text");
    options.add("-f,--file", file_, "The text, byte for byte; - is stdin");
    options.add("--chunks", max_chunks_, "Score the first N chunks of -c tokens; 0: all");
    options.add("--base",
                base_path_,
                "Saved log-probabilities to measure from, instead of the first model's");
    options.add(
        "--save-all-logits", save_path_, "Keep the first model's log-probabilities in FILE");
    options.group("Speed");
    options.add("-n,--n-gen", num_generated_, "Tokens of a run that measures tok/s; 0: none");
    options.add("-r,--repetitions", repetitions_, "Such runs, after one to warm up");
    options.group("Output");
    options.add("--html", page_path_, "Write a page of its own to FILE");
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    shape_.resolve(options);
    const auto usage = [](const std::string& why) { throw Error(ExitCode::kUsage, why); };
    const size_t models = paths_.size() + repos_.size();
    if (models == 0) usage("no models: -m A -m B is needed, or -hf OWNER/NAME:QUANT");
    if (models == 1 && base_path_.empty())
      usage("one model has nothing to be compared with: name another with -m, or a --base FILE");
    if (file_.empty() && base_path_.empty()) usage("no text: -f FILE is needed");
    if (!save_path_.empty() && !base_path_.empty())
      usage("--save-all-logits and --base contradict: the base is saved already");
    if (shape_.context < 4 || shape_.context > 1 << 20)
      usage(fmt::format("--ctx-size is {}: a chunk has 4 to 1048576 tokens", shape_.context));
    if (max_chunks_ < 0) usage(fmt::format("--chunks is {}: it must be 0 or more", max_chunks_));
    if (num_generated_ < 0 || num_generated_ > 1 << 16)
      usage(fmt::format("--n-gen is {}: it must lie in 0..65536", num_generated_));
    if (repetitions_ < 1 || repetitions_ > 100)
      usage(fmt::format("--repetitions is {}: it must lie in 1..100", repetitions_));
  }

  int run() override {
    fetch();
    PrivateDirectory scratch(PrivateDirectory::base_for_sockets());
    if (!base_path_.empty()) base_.emplace(LogitsFile::open(base_path_));
    comparison_.base = base_ ? "saved logits " + printable(file_name(base_path_), 100)
                             : model_name(paths_.front());
    comparison_.text = file_.empty() ? "the saved text" : printable(file_name(file_), 100);
    comparison_.generated = static_cast<int>(num_generated_);
    // All headers first: a bad last model must not cost the hours of those before it.
    std::vector<std::shared_ptr<const coordinator::ServedModel>> models;
    for (const std::string& path : paths_) models.push_back(open_served_model(path));
    plan_ = make_plan(*models.front());
    for (const auto& model : models) check_same_tokens(*model);
    for (size_t i = 0; i < paths_.size(); ++i) {
      const std::shared_ptr<const coordinator::ServedModel>& model = models[i];
      const bool makes_base = i == 0 && !base_;
      const std::string kept = save_path_.empty() ? scratch.path() + "/base" : save_path_;
      if (makes_base) written_.emplace(create_base(kept, *model));
      fmt::print(stderr, "[{}/{}] {}\n", i + 1, paths_.size(), model_name(paths_[i]));
      measure(model, model_name(paths_[i]));
      if (makes_base) {
        written_->finish();
        written_.reset();
        if (paths_.size() > 1) base_.emplace(LogitsFile::open(kept));
      }
    }
    report();
    return 0;
  }

 private:
  void fetch() {
    for (const std::string& repo : repos_) {
      hub_.hf_repo = repo;
      paths_.push_back(fetch_model(hub_).paths.front());
    }
  }

  LogitsFile create_base(const std::string& path, const coordinator::ServedModel& model) const {
    return LogitsFile::create(path,
                              {plan_.n_ctx,
                               static_cast<int32_t>(model.config.vocab_size),
                               plan_.num_chunks(),
                               plan_.ids});
  }

  // The chunks: the text's, or those that the base was saved with.
  ChunkPlan make_plan(const coordinator::ServedModel& model) {
    ChunkPlan plan;
    plan.n_ctx = base_ ? base_->header().n_ctx : static_cast<int>(shape_.context);
    plan.full_rows = true;
    plan.in_flight = shape_.max_sequences;
    if (!file_.empty()) {
      text_ = read_text_file(file_, "text file");
      plan.ids = model.tokenizer->encode(text_, text::SpecialTokens::kPlainText);
    }
    if (base_) take_saved_text(plan);
    cut_into_chunks(plan, max_chunks_);
    comparison_.n_ctx = plan.n_ctx;
    comparison_.num_chunks = plan.num_chunks();
    comparison_.rows_per_chunk = plan.rows_per_chunk();
    return plan;
  }

  void take_saved_text(ChunkPlan& plan) const {
    const std::vector<int32_t>& saved = base_->header().ids;
    const size_t common = file_.empty() ? 0 : std::min(saved.size(), plan.ids.size());
    for (size_t i = 0; i < common; ++i)
      if (saved[i] != plan.ids[i])
        throw Error(ExitCode::kUsage,
                    fmt::format("{} was saved with another text or tokenizer: token {} is {} "
                                "there and {} in {}",
                                printable(base_path_, 200),
                                i,
                                saved[i],
                                plan.ids[i],
                                printable(file_, 200)));
    plan.ids = saved;
    if (!file_.empty()) plan.ids.resize(common);
  }

  // Divergences mean something only between models that read the same tokens.
  void check_same_tokens(const coordinator::ServedModel& model) const {
    const int64_t vocab = model.config.vocab_size;
    if (base_ && base_->header().n_vocab != vocab)
      throw Error(ExitCode::kUsage,
                  fmt::format("{} has a vocabulary of {}, the base one of {}: they cannot be "
                              "compared",
                              model.path,
                              vocab,
                              base_->header().n_vocab));
    for (const int32_t id : plan_.ids)
      if (id < 0 || id >= vocab)
        throw Error(ExitCode::kUsage, fmt::format("the saved text holds the token id {}", id));
    if (file_.empty()) return;
    std::vector<int32_t> ids = model.tokenizer->encode(text_, text::SpecialTokens::kPlainText);
    ids.resize(std::min(ids.size(), plan_.ids.size()));
    if (ids != plan_.ids)
      throw Error(ExitCode::kUsage,
                  fmt::format("{} reads the text as other tokens than the first model: they cannot "
                              "be compared",
                              model.path));
  }

  void measure(const std::shared_ptr<const coordinator::ServedModel>& model,
               const std::string& name) {
    ModelScores scores;
    scores.name = name;
    for (const loader::ShardFile& shard : model->directory.shards())
      scores.file_bytes += shard.bytes;
    scores.tensor_bytes = model->directory.total_bytes();
    for (const loader::TensorInfo& tensor : model->directory.tensors())
      scores.num_weights += static_cast<uint64_t>(tensor.elements());
    ClusterConfig config;
    config.model = model;
    config.shape = shape_;
    config.shape.context = std::max<int64_t>(plan_.n_ctx, num_generated_ + 1);
    config.verbose = output.verbose;
    run_on_private_cluster(config, [&](Cluster& cluster) {
      score_chunks(cluster.requests(), plan_, [&](const ScoredRow& row) { take(scores, row); });
      for (int i = 0; num_generated_ > 0 && i <= repetitions_; ++i) {
        const double seconds = generate_once(cluster);
        if (i > 0)
          scores.tokens_per_second.push_back(static_cast<double>(num_generated_) / seconds);
      }
      return 0;
    });
    comparison_.models.push_back(std::move(scores));
  }

  void take(ModelScores& scores, const ScoredRow& row) {
    const auto chunk = static_cast<size_t>(row.chunk);
    scores.nll.resize(chunk + 1);
    scores.nll[chunk].push_back(-static_cast<double>(row.logprob));
    if (written_) written_->write_row(row.chunk, row.row, row.row_logprobs);
    if (base_) {
      const std::vector<float> base = base_->read_row(row.chunk, row.row);
      scores.divergence.resize(chunk + 1);
      scores.same_top.resize(chunk + 1);
      scores.divergence[chunk].push_back(kl_divergence(base, row.row_logprobs));
      scores.same_top[chunk].push_back(top_of(base, row.row_logprobs));
      if (!base_path_.empty() && comparison_.models.empty()) {
        comparison_.saved_base.nll.resize(chunk + 1);
        comparison_.saved_base.nll[chunk].push_back(
            -static_cast<double>(base[static_cast<size_t>(row.token)]));
      }
    }
    if (row.row + 1 == plan_.rows_per_chunk())
      fmt::print(stderr,
                 "\r[{}/{}]{}",
                 row.chunk + 1,
                 plan_.num_chunks(),
                 row.chunk + 1 == plan_.num_chunks() ? "\n" : "");
  }

  double generate_once(Cluster& cluster) const {
    coordinator::GenerationRequest request;
    request.prompt_ids = {plan_.ids.front()};
    request.max_tokens = num_generated_;
    request.stop.ignore_eos = true;
    const auto begin = CollectedStream::Clock::now();
    const auto stream = submit_collected(cluster.requests(), std::move(request));
    stream->wait();
    return std::chrono::duration<double>(stream->ended_at() - begin).count();
  }

  void report() {
    comparison_.saved_base.name = comparison_.base;
    if (!page_path_.empty()) {
      std::ofstream page(page_path_, std::ios::binary);
      page << compare_page(comparison_);
      page.close();
      if (!page)
        throw Error(ExitCode::kUsage, fmt::format("cannot write '{}'", printable(page_path_, 200)));
    }
    fmt::print("{}", output.json ? compare_json(comparison_) : compare_table(comparison_));
  }

  std::vector<std::string> paths_, repos_;
  ModelOptions hub_;
  ClusterOptions shape_;
  std::string file_, text_, base_path_, save_path_, page_path_;
  int max_chunks_ = 0, repetitions_ = 3;
  int64_t num_generated_ = 64;
  ChunkPlan plan_;
  std::optional<LogitsFile> base_, written_;
  Comparison comparison_;
};

}  // namespace

std::unique_ptr<Command> make_compare() { return std::make_unique<Compare>(); }

}  // namespace shoal::launch
