#include "loader/format/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "loader/format/bad_file.h"
#include "loader/format/metadata.h"
#include "loader/format/model_shapes.h"

namespace shoal::loader {
namespace {

constexpr const char* kArchitecture = "qwen35moe";
constexpr uint32_t kMaxBlocks = 1024;
// Far above any model and low enough that products of three dimensions stay within int64_t.
constexpr uint32_t kMaxDimension = 1 << 20;
constexpr uint32_t kMaxContext = 1 << 30;

// Keys of one architecture: "block_count" stands for "qwen35moe.block_count". Messages use the
// last word of the key.
class ArchitectureKeys {
 public:
  explicit ArchitectureKeys(const Metadata& metadata) : metadata_(metadata) {}

  const Metadata& metadata() const { return metadata_; }
  std::string full(const char* key) const { return fmt::format("{}.{}", kArchitecture, key); }
  static std::string last_word(const char* key) {
    const std::string text = key;
    return text.substr(text.rfind('.') + 1);
  }
  FilePlace place(const char* key) const { return metadata_.place(full(key)); }

  int dimension(const char* key, uint32_t max = kMaxDimension) const {
    return checked(key, metadata_.require<uint32_t>(full(key)), max);
  }
  int dimension_or(const char* key, uint32_t fallback) const {
    return checked(key, metadata_.get<uint32_t>(full(key)).value_or(fallback), kMaxDimension);
  }

  int checked(const char* key, uint32_t value, uint32_t max) const {
    if (value == 0) refuse(37, place(key), fmt::format("{} 0 must be at least 1", last_word(key)));
    if (value > max)
      refuse(37, place(key), fmt::format("{} {} exceeds {}", last_word(key), value, max));
    return static_cast<int>(value);
  }

  // A value that some converters write once and others once a layer. Layers without such heads may
  // say 0; the others must agree, since nothing in this family varies it.
  int per_layer(const char* key, int num_blocks, const std::vector<LayerKind>& layers) const {
    const MetadataEntry* entry = metadata_.find(full(key));
    if (entry == nullptr || entry->type != ValueType::kArray) return dimension(key);
    std::vector<uint32_t> values;
    if (entry->element == ValueType::kI32) {
      const std::vector<int32_t> numbers = *metadata_.get_array<int32_t>(full(key));
      // A negative one becomes too large to pass.
      values.assign(numbers.begin(), numbers.end());
    } else {
      values = *metadata_.get_array<uint32_t>(full(key));
    }
    check_length(key, values.size(), num_blocks);
    std::optional<uint32_t> common;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (layers[i] != LayerKind::kAttention) continue;
      if (common && *common != values[i])
        refuse(40,
               place(key),
               fmt::format("array {} has {} and {} at attention layers; one value is supported",
                           quoted(last_word(key)),
                           *common,
                           values[i]));
      common = values[i];
    }
    return checked(key, common.value_or(1), kMaxDimension);
  }

  void check_length(const char* key, size_t entries, int num_blocks) const {
    if (entries != static_cast<size_t>(num_blocks))
      refuse(40,
             place(key),
             fmt::format("array {} has {} entries for {} layers",
                         quoted(last_word(key)),
                         entries,
                         num_blocks));
  }

  float small_positive(const char* key, const char* words, float max) const {
    const auto value = metadata_.require<float>(full(key));
    if (std::isnan(value))
      refuse(39, place(key), fmt::format("{} is NaN; a small positive number is required", words));
    if (!(value > 0) || value > max)
      refuse(39,
             place(key),
             fmt::format("{} is {}; a positive number up to {} is required", words, value, max));
    return value;
  }

 private:
  const Metadata& metadata_;
};

std::vector<LayerKind> layer_kinds(const ArchitectureKeys& keys, int num_layers, int num_blocks) {
  std::vector<LayerKind> layers(num_layers, LayerKind::kDeltaNet);
  const char* kRecurrent = "attention.recurrent_layers";
  const auto recurrent = keys.metadata().get_array<uint8_t>(keys.full(kRecurrent));
  const int interval = keys.dimension_or("full_attention_interval", 4);
  if (recurrent) keys.check_length(kRecurrent, recurrent->size(), num_blocks);
  for (int i = 0; i < num_layers; ++i) {
    const bool is_attention = recurrent ? (*recurrent)[i] == 0 : (i + 1) % interval == 0;
    if (is_attention) layers[i] = LayerKind::kAttention;
  }
  return layers;
}

int read_block_count(const ArchitectureKeys& keys) {
  const auto blocks = keys.metadata().require<uint32_t>(keys.full("block_count"));
  if (blocks < 1 || blocks > kMaxBlocks)
    refuse(36,
           keys.place("block_count"),
           fmt::format("block_count {} is outside 1..{}", blocks, kMaxBlocks));
  return static_cast<int>(blocks);
}

// The blocks that predict further tokens come last and are not run.
int read_trunk_layers(const ArchitectureKeys& keys, int num_blocks) {
  const char* kNextN = "nextn_predict_layers";
  const uint32_t next_n = keys.metadata().get<uint32_t>(keys.full(kNextN)).value_or(0);
  if (next_n >= static_cast<uint32_t>(num_blocks))
    refuse(36,
           keys.place(kNextN),
           fmt::format("nextn_predict_layers {} leaves no layer of {}", next_n, num_blocks));
  return num_blocks - static_cast<int>(next_n);
}

void refuse_unless_multiple(const ArchitectureKeys& keys, const char* key, int value, int of) {
  if (value % of != 0)
    refuse(
        37,
        keys.place(key),
        fmt::format("{} {} is not a multiple of {}", ArchitectureKeys::last_word(key), value, of));
}

void read_attention(const ArchitectureKeys& keys, ModelConfig& config, int num_blocks) {
  config.num_heads = keys.per_layer("attention.head_count", num_blocks, config.layers);
  config.num_kv_heads = keys.per_layer("attention.head_count_kv", num_blocks, config.layers);
  refuse_unless_multiple(keys, "attention.head_count", config.num_heads, config.num_kv_heads);
  config.head_dim = keys.dimension("attention.key_length");
  const int value_length = keys.dimension("attention.value_length");
  if (value_length != config.head_dim)
    refuse(37,
           keys.place("attention.value_length"),
           fmt::format("value_length {} differs from key_length {}; one head size is supported",
                       value_length,
                       config.head_dim));
  config.rotary_dim = keys.dimension("rope.dimension_count");
  refuse_unless_multiple(keys, "rope.dimension_count", config.rotary_dim, 2);
  if (config.rotary_dim > config.head_dim)
    refuse(
        37,
        keys.place("rope.dimension_count"),
        fmt::format(
            "rope dimension_count {} exceeds the head's {}", config.rotary_dim, config.head_dim));
  // The largest base in use is 1e7.
  config.rope_base = keys.small_positive("rope.freq_base", "rope base", 1e12F);
}

void read_delta_net(const ArchitectureKeys& keys, ModelConfig& config) {
  config.num_k_heads = keys.dimension("ssm.group_count");
  config.num_v_heads = keys.dimension("ssm.time_step_rank");
  config.state_dim = keys.dimension("ssm.state_size");
  config.conv_kernel = keys.dimension("ssm.conv_kernel");
  refuse_unless_multiple(keys, "ssm.time_step_rank", config.num_v_heads, config.num_k_heads);
  const int inner = keys.dimension("ssm.inner_size");
  if (inner != config.value_dim())
    refuse(37,
           keys.place("ssm.inner_size"),
           fmt::format("inner_size {} differs from time_step_rank x state_size, {}",
                       inner,
                       config.value_dim()));
}

void read_experts(const ArchitectureKeys& keys, ModelConfig& config) {
  const auto experts = keys.metadata().require<uint32_t>(keys.full("expert_count"));
  const auto used = keys.metadata().require<uint32_t>(keys.full("expert_used_count"));
  if (experts == 0 || experts > kMaxDimension)
    refuse(38,
           keys.place("expert_count"),
           fmt::format("expert_count {} is outside 1..{}", experts, kMaxDimension));
  if (used == 0)
    refuse(38, keys.place("expert_used_count"), "expert_used_count 0 must be at least 1");
  if (used > experts)
    refuse(38,
           keys.place("expert_used_count"),
           fmt::format("expert_used_count {} exceeds expert_count {}", used, experts));
  config.num_experts = static_cast<int>(experts);
  config.num_topk = static_cast<int>(used);
  config.moe_intermediate_size = keys.dimension("expert_feed_forward_length");
  config.shared_intermediate_size = keys.dimension("expert_shared_feed_forward_length");
}

int64_t read_vocab_size(const Metadata& metadata, const TensorDirectory& directory) {
  const TensorInfo& embedding = directory.at("token_embd.weight");
  const MetadataEntry* tokens = metadata.find("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->count != static_cast<uint64_t>(embedding.ne[1]))
    refuse(
        41,
        metadata.place(tokens->key),
        fmt::format(
            "vocabulary has {} tokens but token_embd has {} rows", tokens->count, embedding.ne[1]));
  return embedding.ne[1];
}

}  // namespace

int ModelConfig::num_attention_layers() const {
  return static_cast<int>(std::count(layers.begin(), layers.end(), LayerKind::kAttention));
}

int ModelConfig::num_delta_layers() const {
  return static_cast<int>(layers.size()) - num_attention_layers();
}

ModelConfig parse_model_config(const Metadata& metadata, const TensorDirectory& directory) {
  ModelConfig config;
  config.architecture = metadata.require<std::string>("general.architecture");
  if (config.architecture != kArchitecture)
    refuse(31,
           metadata.place("general.architecture"),
           fmt::format("architecture {} is not supported; this program runs {}",
                       quoted(config.architecture),
                       kArchitecture));
  config.name = metadata.get<std::string>("general.name").value_or("");
  const ArchitectureKeys keys(metadata);
  const int num_blocks = read_block_count(keys);
  config.num_layers = read_trunk_layers(keys, num_blocks);
  config.context_length = keys.dimension("context_length", kMaxContext);
  config.hidden_size = keys.dimension("embedding_length");
  config.rms_epsilon = keys.small_positive("attention.layer_norm_rms_epsilon", "rms epsilon", 1.0F);
  config.layers = layer_kinds(keys, config.num_layers, num_blocks);
  read_attention(keys, config, num_blocks);
  read_delta_net(keys, config);
  read_experts(keys, config);
  if (directory.tensors().empty()) refuse(12, {metadata.file()}, "no tensors in the model");
  config.vocab_size = read_vocab_size(metadata, directory);
  config.tied_embeddings = directory.find("output.weight") < 0;
  check_tensors(config, directory, num_blocks);
  return config;
}

}  // namespace shoal::loader
