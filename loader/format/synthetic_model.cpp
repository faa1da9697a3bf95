#include "loader/format/synthetic_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "loader/format/header_hash.h"
#include "loader/format/model_config.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

struct Shape {
  std::string_view name;
  int layers, hidden, heads, kv_heads, k_heads, v_heads, experts, topk, expert_ffn, shared_ffn;
  int vocab = 248320;
};
constexpr std::array kShapes = {
    Shape{"35b", 40, 2048, 16, 2, 16, 32, 256, 8, 512, 512},
    Shape{"122b", 48, 3072, 32, 2, 16, 64, 256, 8, 1024, 1024},
    Shape{"397b", 60, 4096, 32, 2, 16, 64, 512, 10, 1024, 1024},
    Shape{"tiny", 4, 512, 4, 2, 2, 8, 24, 5, 256, 256, 1024},
};
// Alike in the whole family.
constexpr int kHeadDim = 256, kStateDim = 128, kConvKernel = 4, kAttentionInterval = 4;

struct Mix {
  std::string_view name;
  DType gate_up, down, embedding, output, dense;
};
constexpr std::array kMixes = {
    Mix{"ud-q4", DType::kQ4_K, DType::kQ5_K, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0},
    Mix{"ud-q3", DType::kIQ3_XXS, DType::kIQ4_XS, DType::kQ8_0, DType::kQ6_K, DType::kQ8_0},
    Mix{"mxfp4", DType::kMXFP4, DType::kQ5_K, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0},
    Mix{"q8", DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0},
};

class TensorList {
 public:
  void add(std::string name, DType dtype, std::array<int64_t, 3> ne) {
    TensorInfo info{.name = std::move(name), .dtype = dtype, .ne = {ne[0], ne[1], ne[2], 1}};
    info.offset = end_;
    info.bytes = static_cast<uint64_t>(row_bytes(dtype, ne[0]) * ne[1] * ne[2]);
    end_ += (info.bytes + 31) / 32 * 32;
    tensors_.push_back(std::move(info));
  }
  void add(std::string name, DType dtype, int64_t cols, int64_t rows = 1) {
    add(std::move(name), dtype, {cols, rows, 1});
  }
  std::vector<TensorInfo> take() { return std::move(tensors_); }
  uint64_t end() const { return end_; }

 private:
  std::vector<TensorInfo> tensors_;
  uint64_t end_ = 0;
};

void add_layer(TensorList& list, const Shape& shape, const Mix& mix, int index) {
  const auto name = [index](const char* suffix) { return layer_tensor(index, suffix); };
  const int64_t hidden = shape.hidden;
  const int64_t values = int64_t{shape.v_heads} * kStateDim;
  const int64_t mixed = int64_t{2 * shape.k_heads + shape.v_heads} * kStateDim;
  list.add(name("attn_norm.weight"), DType::kF32, hidden);
  list.add(name("post_attention_norm.weight"), DType::kF32, hidden);
  if ((index + 1) % kAttentionInterval == 0) {
    const int64_t queries = int64_t{shape.heads} * kHeadDim;
    const int64_t keys = int64_t{shape.kv_heads} * kHeadDim;
    list.add(name("attn_q.weight"), mix.dense, hidden, 2 * queries);
    list.add(name("attn_k.weight"), mix.dense, hidden, keys);
    list.add(name("attn_v.weight"), mix.dense, hidden, keys);
    list.add(name("attn_output.weight"), mix.dense, queries, hidden);
    list.add(name("attn_q_norm.weight"), DType::kF32, kHeadDim);
    list.add(name("attn_k_norm.weight"), DType::kF32, kHeadDim);
  } else {
    list.add(name("attn_qkv.weight"), mix.dense, hidden, mixed);
    list.add(name("attn_gate.weight"), mix.dense, hidden, values);
    list.add(name("ssm_alpha.weight"), mix.dense, hidden, shape.v_heads);
    list.add(name("ssm_beta.weight"), mix.dense, hidden, shape.v_heads);
    list.add(name("ssm_conv1d.weight"), DType::kF32, kConvKernel, mixed);
    list.add(name("ssm_a"), DType::kF32, shape.v_heads);
    list.add(name("ssm_dt.bias"), DType::kF32, shape.v_heads);
    list.add(name("ssm_norm.weight"), DType::kF32, kStateDim);
    list.add(name("ssm_out.weight"), mix.dense, values, hidden);
  }
  list.add(name("ffn_gate_inp.weight"), DType::kF32, hidden, shape.experts);
  list.add(name("ffn_gate_exps.weight"), mix.gate_up, {hidden, shape.expert_ffn, shape.experts});
  list.add(name("ffn_up_exps.weight"), mix.gate_up, {hidden, shape.expert_ffn, shape.experts});
  list.add(name("ffn_down_exps.weight"), mix.down, {shape.expert_ffn, hidden, shape.experts});
  list.add(name("ffn_gate_inp_shexp.weight"), DType::kF32, hidden);
  list.add(name("ffn_gate_shexp.weight"), mix.dense, hidden, shape.shared_ffn);
  list.add(name("ffn_up_shexp.weight"), mix.dense, hidden, shape.shared_ffn);
  list.add(name("ffn_down_shexp.weight"), mix.dense, shape.shared_ffn, hidden);
}

class EntryList {
 public:
  void text(std::string key, std::string value) {
    entries_.push_back(
        {.key = std::move(key), .type = ValueType::kString, .payload = std::move(value)});
  }
  void number(std::string key, uint32_t value) { scalar(std::move(key), ValueType::kU32, value); }
  void number(std::string key, float value) { scalar(std::move(key), ValueType::kF32, value); }
  void texts(std::string key, const std::vector<std::string>& values) {
    MetadataEntry entry{.key = std::move(key),
                        .type = ValueType::kArray,
                        .element = ValueType::kString,
                        .count = values.size()};
    for (const std::string& value : values) {
      append(entry.payload, uint64_t{value.size()});
      entry.payload += value;
    }
    entries_.push_back(std::move(entry));
  }
  std::vector<MetadataEntry> take() { return std::move(entries_); }

 private:
  template <class T>
  static void append(std::string& payload, T value) {
    payload.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <class T>
  void scalar(std::string key, ValueType type, T value) {
    MetadataEntry entry{.key = std::move(key), .type = type};
    append(entry.payload, value);
    entries_.push_back(std::move(entry));
  }

  std::vector<MetadataEntry> entries_;
};

std::vector<MetadataEntry> make_entries(const Shape& shape, const std::string& name) {
  EntryList list;
  const auto key = [](const char* suffix) { return fmt::format("qwen35moe.{}", suffix); };
  const auto number = [&](const char* suffix, int value) {
    list.number(key(suffix), static_cast<uint32_t>(value));
  };
  list.text("general.architecture", "qwen35moe");
  list.text("general.name", name);
  number("block_count", shape.layers);
  number("context_length", 262144);
  number("embedding_length", shape.hidden);
  number("attention.head_count", shape.heads);
  number("attention.head_count_kv", shape.kv_heads);
  number("attention.key_length", kHeadDim);
  number("attention.value_length", kHeadDim);
  number("rope.dimension_count", 64);
  number("expert_count", shape.experts);
  number("expert_used_count", shape.topk);
  number("expert_feed_forward_length", shape.expert_ffn);
  number("expert_shared_feed_forward_length", shape.shared_ffn);
  number("ssm.conv_kernel", kConvKernel);
  number("ssm.state_size", kStateDim);
  number("ssm.group_count", shape.k_heads);
  number("ssm.time_step_rank", shape.v_heads);
  number("ssm.inner_size", shape.v_heads * kStateDim);
  number("full_attention_interval", kAttentionInterval);
  list.number(key("attention.layer_norm_rms_epsilon"), 1e-6f);
  list.number(key("rope.freq_base"), 1e7f);
  list.text("tokenizer.ggml.model", "gpt2");
  list.text("tokenizer.ggml.pre", "qwen35");
  std::vector<std::string> tokens;
  for (int i = 0; i < shape.vocab; ++i) tokens.push_back(fmt::format("<{}>", i));
  list.texts("tokenizer.ggml.tokens", tokens);
  list.texts("tokenizer.ggml.merges", {});
  list.number("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(shape.vocab - 1));
  return list.take();
}

template <class List>
const typename List::value_type& find_named(const List& list,
                                            std::string_view name,
                                            const char* what) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
  if (found != list.end()) return *found;
  std::string known;
  for (const auto& item : list) known += fmt::format("{}{}", known.empty() ? "" : ", ", item.name);
  throw Error(
      ExitCode::kUsage,
      fmt::format(
          "a synthetic model of {} '{}': it must be one of {}", what, printable(name), known));
}

// Cuts the text before the next colon off.
std::string_view next_part(std::string_view& text) {
  const size_t colon = text.find(':');
  const std::string_view part = text.substr(0, colon);
  text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  return part;
}

}  // namespace

std::optional<ParsedModel> synthetic_model(const std::string& name) {
  if (!name.starts_with(kSyntheticPrefix)) return std::nullopt;
  std::string_view rest = std::string_view(name).substr(kSyntheticPrefix.size());
  Shape shape = find_named(kShapes, next_part(rest), "shape");
  const Mix& mix = find_named(kMixes, next_part(rest), "mix");
  if (!rest.empty()) {
    const auto [end, status] =
        std::from_chars(rest.data(), rest.data() + rest.size(), shape.layers);
    if (status != std::errc() || end != rest.data() + rest.size() || shape.layers < 1 ||
        shape.layers > 1024)
      throw Error(
          ExitCode::kUsage,
          fmt::format("a synthetic model of '{}' layers: it must be 1 to 1024", printable(rest)));
  }
  TensorList tensors;
  tensors.add("token_embd.weight", mix.embedding, shape.hidden, shape.vocab);
  tensors.add("output_norm.weight", DType::kF32, shape.hidden);
  tensors.add("output.weight", mix.output, shape.hidden, shape.vocab);
  for (int i = 0; i < shape.layers; ++i) add_layer(tensors, shape, mix, i);

  const ShardFile file{
      .path = name,
      .bytes = tensors.end(),
      .header_hash = hash_bytes(kHashStart, std::as_bytes(std::span(name.data(), name.size())))};
  return ParsedModel{
      .metadata = Metadata(
          name, make_entries(shape, fmt::format("synthetic {} {}", shape.name, mix.name)), 0),
      .directory = TensorDirectory({file}, tensors.take())};
}

}  // namespace shoal::loader
