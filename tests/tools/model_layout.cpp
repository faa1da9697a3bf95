#include "tests/tools/model_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace shoal::tools {
namespace {

constexpr int kVocab = 248320;
constexpr std::array kShapes = {
    ModelShape{"35b", "Qwen3.5-35B-A3B", 40, 2048, 16, 2, 16, 32, 256, 8, 512, 512, kVocab},
    ModelShape{"122b", "Qwen3.5-122B-A10B", 48, 3072, 32, 2, 16, 64, 256, 8, 1024, 1024, kVocab},
    ModelShape{"397b", "Qwen3.5-397B-A17B", 60, 4096, 32, 2, 16, 64, 512, 10, 1024, 1024, kVocab},
    ModelShape{"tiny", "Tiny-MoE", 4, 512, 4, 2, 2, 8, 24, 5, 256, 256, 1024},
};
constexpr int kHeadDim = 256, kStateDim = 128, kConvKernel = 4, kAttentionInterval = 4;

using enum DType;
constexpr std::array kMixes = {
    ModelMix{"UD-Q3_K_XL",
             {kIQ3_XXS, kIQ4_XS, kQ8_0},
             LayerTypes{kIQ4_XS, kQ5_K, kBF16},
             kQ8_0,
             kQ6_K,
             kQ8_0},
    ModelMix{
        "UD-Q4_K_XL", {kQ4_K, kQ5_K, kQ8_0}, LayerTypes{kQ5_K, kQ6_K, kBF16}, kQ8_0, kQ8_0, kQ8_0},
    ModelMix{
        "MXFP4_MOE", {kMXFP4, kQ5_K, kQ8_0}, LayerTypes{kQ5_K, kQ6_K, kBF16}, kQ8_0, kQ8_0, kQ8_0},
    ModelMix{"Q8_0", {kQ8_0, kQ8_0, kQ8_0}, std::nullopt, kQ8_0, kQ8_0, kQ8_0},
    // Seventeen files, which is the 50 GB rule without a shard for the metadata.
    ModelMix{"BF16", {kBF16, kBF16, kBF16}, std::nullopt, kBF16, kBF16, kBF16, false},
    // No public header of the 2-bit mixes was read: types of the right size, near UD-IQ2_XXS.
    ModelMix{"UD-IQ2_XXS", {kIQ2_XXS, kIQ2_S, kQ6_K}, std::nullopt, kQ6_K, kQ6_K, kQ8_0},
};

class Layer {
 public:
  Layer(int index, std::vector<LaidTensor>& out) : index_(index), out_(out) {}

  void add(std::string_view suffix, DType dtype, std::vector<int64_t> ne) {
    LaidTensor tensor{index_ < 0 ? std::string(suffix) : fmt::format("blk.{}.{}", index_, suffix),
                      dtype,
                      std::move(ne),
                      0};
    tensor.bytes =
        static_cast<uint64_t>(row_bytes(dtype, tensor.ne[0]) * (tensor.elements() / tensor.ne[0]));
    tensors_.push_back(std::move(tensor));
  }
  // By name, behind the layers before.
  void finish() {
    std::sort(tensors_.begin(), tensors_.end(), [](const LaidTensor& a, const LaidTensor& b) {
      return a.name < b.name;
    });
    std::move(tensors_.begin(), tensors_.end(), std::back_inserter(out_));
  }

 private:
  int index_;
  std::vector<LaidTensor>& out_;
  std::vector<LaidTensor> tensors_;
};

void add_attention(Layer& layer, const ModelShape& shape, DType dense) {
  const int64_t queries = int64_t{shape.heads} * kHeadDim,
                keys = int64_t{shape.kv_heads} * kHeadDim;
  layer.add("attn_q.weight", dense, {shape.hidden, 2 * queries});
  layer.add("attn_k.weight", dense, {shape.hidden, keys});
  layer.add("attn_v.weight", dense, {shape.hidden, keys});
  layer.add("attn_output.weight", dense, {queries, shape.hidden});
  layer.add("attn_q_norm.weight", kF32, {kHeadDim});
  layer.add("attn_k_norm.weight", kF32, {kHeadDim});
}

void add_delta_net(Layer& layer, const ModelShape& shape, const ModelMix& mix) {
  const int64_t values = int64_t{shape.v_heads} * kStateDim;
  const int64_t mixed = values + int64_t{2 * shape.k_heads} * kStateDim;
  layer.add("attn_qkv.weight", mix.most.dense, {shape.hidden, mixed});
  layer.add("attn_gate.weight", mix.most.dense, {shape.hidden, values});
  layer.add("ssm_alpha.weight", mix.decays, {shape.hidden, shape.v_heads});
  layer.add("ssm_beta.weight", mix.decays, {shape.hidden, shape.v_heads});
  layer.add("ssm_conv1d.weight", kF32, {kConvKernel, mixed});
  layer.add("ssm_a", kF32, {shape.v_heads});
  layer.add("ssm_dt.bias", kF32, {shape.v_heads});
  layer.add("ssm_norm.weight", kF32, {kStateDim});
  layer.add("ssm_out.weight", mix.most.dense, {values, shape.hidden});
}

void add_experts(Layer& layer, const ModelShape& shape, const LayerTypes& types) {
  layer.add("attn_norm.weight", kF32, {shape.hidden});
  layer.add("post_attention_norm.weight", kF32, {shape.hidden});
  layer.add("ffn_gate_inp.weight", kF32, {shape.hidden, shape.experts});
  layer.add("ffn_gate_exps.weight", types.gate_up, {shape.hidden, shape.expert_ffn, shape.experts});
  layer.add("ffn_up_exps.weight", types.gate_up, {shape.hidden, shape.expert_ffn, shape.experts});
  layer.add("ffn_down_exps.weight", types.down, {shape.expert_ffn, shape.hidden, shape.experts});
  layer.add("ffn_gate_inp_shexp.weight", kF32, {shape.hidden});
  layer.add("ffn_gate_shexp.weight", types.dense, {shape.hidden, shape.shared_ffn});
  layer.add("ffn_up_shexp.weight", types.dense, {shape.hidden, shape.shared_ffn});
  layer.add("ffn_down_shexp.weight", types.dense, {shape.shared_ffn, shape.hidden});
}

template <class List>
std::string names_of(const List& list) {
  std::string names;
  for (const auto& item : list) names.append(names.empty() ? "" : ", ").append(item.name);
  return names;
}

template <class List>
typename List::value_type find_named(const List& list, std::string_view name, const char* what) {
  for (const auto& item : list)
    if (item.name == name) return item;
  throw std::invalid_argument(
      fmt::format("no {} '{}': it must be one of {}", what, name, names_of(list)));
}

}  // namespace

int64_t LaidTensor::elements() const {
  return std::accumulate(ne.begin(), ne.end(), int64_t{1}, std::multiplies<>());
}

std::string shape_names() { return names_of(kShapes); }
std::string mix_names() { return names_of(kMixes); }
ModelShape find_shape(std::string_view name) { return find_named(kShapes, name, "shape"); }
ModelMix find_mix(std::string_view name) { return find_named(kMixes, name, "mix"); }

std::vector<LaidTensor> lay_out(const ModelShape& shape, const ModelMix& mix) {
  std::vector<LaidTensor> tensors;
  Layer ends(-1, tensors);
  ends.add("token_embd.weight", mix.embedding, {shape.hidden, shape.vocab});
  ends.add("output_norm.weight", kF32, {shape.hidden});
  ends.add("output.weight", mix.output, {shape.hidden, shape.vocab});
  ends.finish();
  const int odd = shape.layers > kExceptionLayer ? kExceptionLayer : kShortExceptionLayer;
  for (int index = 0; index < shape.layers; ++index) {
    const LayerTypes& types = index == odd && mix.exception ? *mix.exception : mix.most;
    Layer layer(index, tensors);
    if ((index + 1) % kAttentionInterval == 0)
      add_attention(layer, shape, types.dense);
    else
      add_delta_net(layer, shape, mix);
    add_experts(layer, shape, types);
    layer.finish();
  }
  return tensors;
}

}  // namespace shoal::tools
