#include "launch/options.h"

#include <charconv>
#include <cmath>

#include "launch/cluster_file.h"
#include "launch/model_fetch.h"
#include "launch/rank_hosts.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

void check_range(const char* flag, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return;
  throw Error(ExitCode::kUsage,
              fmt::format("{} is {}: it must lie in {}..{}", flag, value, min, max));
}

// A sampling value is judged like a request's: the same exit code with a server or without.
void check_sampling(const char* flag, std::optional<float> value, float min, float max) {
  if (!value || (std::isfinite(*value) && *value >= min && *value <= max)) return;
  throw Error(ExitCode::kRequest,
              fmt::format("{} is {}: it must lie in {}..{}", flag, *value, min, max));
}

void take_shape(ClusterOptions& cluster, const OptionSet& options) {
  const bool ranks = options.given("ranks");
  const bool grid = options.given("pp") || options.given("ep");
  if (ranks && grid)
    throw Error(ExitCode::kUsage,
                "--ranks and --pp/--ep contradict: --ranks N is one stage of width N, --pp P --ep "
                "E is P stages of width E");
  if ((ranks || grid) && options.given("cluster"))
    throw Error(ExitCode::kUsage,
                fmt::format("--cluster and {} contradict: the cluster file has the shape",
                            ranks ? "--ranks" : "--pp/--ep"));
  check_range("--ranks", cluster.ranks, 1, 4096);
  check_range("--pp", cluster.pp, 1, 4096);
  check_range("--ep", cluster.ep, 1, 4096);
  cluster.ep_per_stage = grid ? std::vector<int>(static_cast<size_t>(cluster.pp), cluster.ep)
                              : std::vector<int>{cluster.ranks};
}

template <class T, class U>
void take(OptionSet& options, const char* flag, T& value, const std::optional<U>& from_file) {
  if (!from_file || options.given(flag)) return;
  value = *from_file;
  options.set_origin(flag, Origin::kClusterFile);
}

}  // namespace

void OutputOptions::declare(OptionSet& options) {
  options.group("Output");
  options.add_switch("--json", json, "One JSON object on stdout, everything else on stderr");
  options.add_switch("-v,--verbose", verbose, "Log more, and everything that workers print");
  options.add_switch("--print-config", print_config, "Print each value with its origin and exit");
}

void ModelOptions::declare(OptionSet& options) {
  options.group("Model");
  options.add("-m,--model", path, "GGUF file: any shard of a split set, or its folder");
  options.add("-a,--alias,--served-model-name", alias, "The model's name for clients");
  declare_hub(options);
}

void ModelOptions::declare_hub(OptionSet& options) {
  options.group("Model from a hub");
  options.add("--hf-repo", hf_repo, "OWNER/NAME[:QUANT], fetched into the cache first (-hf)");
  options.add(
      "--hf-file", hf_file, "A file of the model in the repository, instead of QUANT (-hff)");
  options.add("--hf-revision", hf_revision, "Branch, tag or commit");
  options.add_list("--hf-mirror", hf_mirrors, "More hubs, asked when HF_ENDPOINT fails");
  options.add_switch("--offline", offline, "Only what the cache has");
}

void ModelOptions::validate() const {
  if (!given())
    throw Error(ExitCode::kUsage, "no model: -m FILE is needed, or -hf OWNER/NAME[:QUANT]");
  if (!path.empty() && !hf_repo.empty())
    throw Error(ExitCode::kUsage,
                "-m and -hf contradict: both name the model (SHOAL_MODEL and SHOAL_HF_REPO too)");
}

std::string ModelOptions::local_path() const {
  return path.empty() ? fetch_model(*this).paths.front() : path;
}

void ClusterOptions::declare(OptionSet& options) {
  options.group("Cluster");
  options.add("--ranks", ranks, "One pipeline stage of N ranks");
  options.add("--pp,--pipeline-parallel-size", pp, "Pipeline stages");
  options.add("--ep,--expert-parallel-size", ep, "Ranks in each stage");
  options.add("--cluster", cluster_path, "Cluster file (YAML), instead of the shape in flags");
  options.add("--launcher", launcher, "Who starts the workers: mpirun, or external (you do)");
  options.add("--control-host",
              hosts.control_host,
              "Address of this machine that workers on other hosts reach");
  options.add("--backend", backend, "auto, cpu or cuda");
  options.add("-t,--threads", threads, "Threads per rank; 0: its share of the cores");
  options.group("Memory");
  options.add("-c,--ctx-size,--max-model-len", context, "Tokens per sequence; 0: the model's");
  options.add("--parallel,--max-num-seqs", max_sequences, "Sequences that run at once (-np)");
  options.add("--cache-ram",
              cache_mib,
              "MiB per rank for the prefix cache; 0: off; -1: two states a sequence");
  options.add("-b,--batch-size,--max-num-batched-tokens",
              max_batch_tokens,
              "Tokens that a rank takes in one step");
}

void ClusterOptions::resolve(OptionSet& options) {
  take_shape(*this, options);
  if (options.given("cluster")) {
    const ClusterFile file = read_cluster_file(cluster_path);
    if (file.stages.empty())
      throw Error(ExitCode::kUsage,
                  fmt::format("{} has no shape: `shoal plan` chooses one; write its 'stages' there",
                              printable(cluster_path, 200)));
    ep_per_stage = file.ep_per_stage();
    hosts.rank_hosts = hosts_of_ranks(file);
    layers_per_stage = file.layers_per_stage();
    take(options, "launcher", launcher, file.launcher);
    take(options, "control-host", hosts.control_host, file.control_host);
    hosts.launch_agent = file.launch_agent.value_or("");
    hosts.interface = file.interface.value_or("");
    take(options, "backend", backend, file.backend);
    take(options, "threads", threads, file.threads);
    take(options, "ctx-size", context, file.context);
    take(options, "parallel", max_sequences, file.max_sequences);
    memory_per_rank = file.memory_per_rank;
  }
  check_range("--threads", threads, 0, 4096);
  check_range("--ctx-size", context, 0, int64_t{1} << 24);
  check_range("--parallel", max_sequences, 1, 4096);
  check_range("--cache-ram", cache_mib, -1, int64_t{1} << 24);
  check_range("--batch-size", max_batch_tokens, 1, 1 << 16);
  if (backend == "cuda" && !SHOAL_HAS_CUDA)
    throw Error(ExitCode::kUsage,
                "--backend cuda: this build has no CUDA backend; use --backend cpu");
  if (backend != "auto" && backend != "cpu" && backend != "cuda")
    throw Error(ExitCode::kUsage,
                fmt::format("--backend is '{}': it must be auto, cpu or cuda", printable(backend)));
  if (launcher == "slurm")
    throw Error(ExitCode::kUsage,
                "--launcher slurm is not built yet: use --launcher external and start "
                "shoal-worker with srun yourself");
  if (launcher != "mpirun" && launcher != "external")
    throw Error(
        ExitCode::kUsage,
        fmt::format("--launcher is '{}': it must be mpirun or external", printable(launcher)));
}

sharding::ClusterSpec ClusterOptions::spec() const {
  sharding::ClusterSpec spec;
  spec.ep_per_stage = ep_per_stage;
  spec.layers_per_stage = layers_per_stage;
  spec.backend = backend == "cuda" ? Backend::kCuda : Backend::kCpu;
  spec.context = context;
  spec.max_sequences = max_sequences;
  spec.max_batch_tokens = max_batch_tokens;
  spec.memory_per_rank = memory_per_rank;
  spec.cache_memory = std::nullopt;
  if (cache_mib >= 0) spec.cache_memory = static_cast<uint64_t>(cache_mib) << 20;
  return spec;
}

void SamplingOptions::declare(OptionSet& options) {
  options.group("Sampling");
  options.add("-n,--predict,--n-predict,--max-tokens", max_tokens, "Most tokens to generate");
  options.add("--temp,--temperature", temperature, "0 is greedy");
  options.add("--top-k", top_k, "Keep the K likeliest tokens; 0: all");
  options.add("--top-p", top_p, "Keep the likeliest tokens that add up to P");
  options.add("--min-p", min_p, "Keep tokens at least P times as likely as the best");
  options.add("-s,--seed", seed, "Seed of the draw; the same seed draws the same text");
  options.add("--presence-penalty", presence_penalty, "Taken from what was generated; 0: off");
  options.add("--frequency-penalty", frequency_penalty, "The same for each time; 0: off");
  options.add("--repeat-penalty,--repetition-penalty",
              repetition_penalty,
              "Divides what prompt or text hold; 1: off");
  options.add_repeated(
      "-l,--logit-bias", logit_bias_text, "ID+BIAS or ID-BIAS, added to a token's logit");
  options.add("--min-tokens", min_tokens, "No end and no stop before N tokens");
  options.add_repeated("-r,--stop", stop, "Cut the text before STRING (repeat for more)");
  options.add_switch("--ignore-eos", ignore_eos, "Go on after the end-of-text token");
  options.add("-j,--json-schema", json_schema, "The text is JSON that this schema holds valid");
  options.add("--json-schema-file", json_schema_path, "The same, from a file");
  options.add("--regex", regex, "The whole text matches this regular expression");
  options.add("--grammar", grammar, "The text is one of this grammar (GBNF)");
  options.add("--grammar-file", grammar_path, "The same, from a file");
}

std::optional<coordinator::ConstraintSource> SamplingOptions::constraint() const {
  using Kind = coordinator::ConstraintSource::Kind;
  std::optional<coordinator::ConstraintSource> out;
  const auto take = [&out](Kind kind, const std::string& text, const char* field) {
    if (text.empty()) return;
    if (out) throw Error(ExitCode::kUsage, "more than one of --json-schema, --regex, --grammar");
    out = coordinator::ConstraintSource{kind, text, field};
  };
  take(Kind::kJsonSchema, json_schema, "json_schema");
  if (!json_schema_path.empty())
    take(Kind::kJsonSchema, read_text_file(json_schema_path, "schema"), "json_schema");
  take(Kind::kRegex, regex, "regex");
  take(Kind::kGrammar, grammar, "grammar");
  if (!grammar_path.empty())
    take(Kind::kGrammar, read_text_file(grammar_path, "grammar"), "grammar");
  return out;
}

std::vector<plan::LogitBias> SamplingOptions::logit_bias() const {
  std::vector<plan::LogitBias> out;
  for (const std::string& text : logit_bias_text) {
    plan::LogitBias entry;
    const char* const end = text.data() + text.size();
    const auto id = std::from_chars(text.data(), end, entry.id);
    // from_chars takes a minus and no plus.
    const char* const sign = id.ptr;
    const auto bias = sign == end ? id : std::from_chars(sign + (*sign == '+'), end, entry.bias);
    if (id.ec != std::errc() || sign == end || (*sign != '+' && *sign != '-') ||
        bias.ec != std::errc() || bias.ptr != end || !std::isfinite(entry.bias) || entry.id < 0)
      throw Error(ExitCode::kRequest,
                  fmt::format("--logit-bias is '{}': it must be ID+BIAS or ID-BIAS, 15043-2.5",
                              printable(text)));
    out.push_back(entry);
  }
  return out;
}

void SamplingOptions::validate() const {
  check_sampling("--presence-penalty", presence_penalty, -2, 2);
  check_sampling("--frequency-penalty", frequency_penalty, -2, 2);
  check_sampling("--repeat-penalty", repetition_penalty, 1e-6f, 100);
  logit_bias();
  constraint();
  if (min_tokens && *min_tokens < 0)
    throw Error(ExitCode::kRequest,
                fmt::format("--min-tokens is {}: it must be 0 or more", *min_tokens));
  check_sampling("--temp", temperature, 0, 100);
  check_sampling("--top-p", top_p, 1e-6f, 1);
  check_sampling("--min-p", min_p, 0, 1);
  if (top_k && *top_k < 0)
    throw Error(ExitCode::kRequest, fmt::format("--top-k is {}: it must be 0 or more", *top_k));
  if (max_tokens && *max_tokens < 0)
    throw Error(ExitCode::kRequest,
                fmt::format("--predict is {}: it must be 0 or more", *max_tokens));
}

void ServerAddress::declare(OptionSet& options) {
  options.group("Server");
  options.add("--server", address, "A running server, HOST:PORT or unix:PATH");
  options.add("--api-key-file", api_key_file, "The key for it, alone or as NAME KEY; mode 0600");
  options.add_switch("--tls", tls, "Reach it over TLS");
  options.add("--tls-ca", tls_authority, "Authority (PEM) that signed its certificate");
  options.add("--tls-cert", tls_cert, "Certificate (PEM) of this client");
  options.add("--tls-key", tls_key, "Its private key (PEM)");
}

}  // namespace shoal::launch
