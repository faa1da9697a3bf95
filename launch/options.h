// What the command line can say, in groups that several commands share. Plain values with
// validate(), which throws Error naming the flag and its value. Filled once, then const.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/command_line/option_set.h"
#include "launch/host_network.h"
#include "runtime/coordinator/output_constraint.h"
#include "runtime/plan/sampling_params.h"
#include "sharding/planner.h"

namespace shoal::launch {

struct OutputOptions {
  bool json = false, verbose = false, print_config = false;
  void declare(OptionSet& options);
};

struct ModelOptions {
  std::string path;                                    // first shard, any shard, or the folder
  std::string alias;                                   // the name that clients see
  std::string hf_repo, hf_file, hf_revision = "main";  // instead of a path
  std::vector<std::string> hf_mirrors;
  bool offline = false;
  void declare(OptionSet& options);
  void declare_hub(OptionSet& options);  // -hf and what belongs to it alone
  bool given() const { return !path.empty() || !hf_repo.empty(); }
  void validate() const;  // one of path and hf_repo is there
  // `path`, or that of the repository's first shard once all are fetched (launch/model_fetch.h).
  std::string local_path() const;
};

struct ClusterOptions {
  int ranks = 1, pp = 1, ep = 1;
  std::string cluster_path;
  std::string backend = "auto", launcher = "mpirun";
  int64_t context = 0;  // tokens a sequence may hold; 0: the model's
  int threads = 0;      // per rank; 0: its share of the host's cores
  int max_sequences = 8, max_batch_tokens = 512;
  std::optional<uint64_t> memory_per_rank;
  int64_t cache_mib = 0;  // per rank, for the prefix cache; 0: none; -1: two states a sequence
  HostNetwork hosts;
  std::vector<int> ep_per_stage = {1};  // what the above comes to, after resolve()
  std::vector<int> layers_per_stage;    // empty: as even as they go

  void declare(OptionSet& options);
  // Reads the cluster file, where flags do not say otherwise, and refuses contradictions.
  void resolve(OptionSet& options);
  sharding::ClusterSpec spec() const;
};

struct SamplingOptions {
  std::optional<float> temperature, top_p, min_p;
  std::optional<int> top_k;
  std::optional<uint64_t> seed;
  std::optional<float> presence_penalty, frequency_penalty, repetition_penalty;
  std::optional<int64_t> max_tokens, min_tokens;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::vector<std::string> logit_bias_text;  // "15043+1.5", "15043-2", as typed
  std::string json_schema, json_schema_path, regex, grammar, grammar_path;

  void declare(OptionSet& options);
  void validate() const;                            // a bad value is a refused request: exit 6
  std::vector<plan::LogitBias> logit_bias() const;  // after validate()
  // What the text must be. Reads the file that a flag names; refuses two at once.
  std::optional<coordinator::ConstraintSource> constraint() const;
};

struct ServerAddress {
  std::string address;  // HOST:PORT or unix:PATH; empty: a private cluster
  std::string api_key_file, tls_authority, tls_cert, tls_key;
  bool tls = false;
  void declare(OptionSet& options);
};

}  // namespace shoal::launch
