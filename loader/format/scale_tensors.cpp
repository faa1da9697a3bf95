#include "loader/format/scale_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "loader/format/bad_file.h"

namespace shoal::loader {
namespace {

constexpr std::string_view kScale = ".scale";
constexpr std::string_view kWeight = ".weight";

// Matrices that are multiplied and nothing else. The router is not among them, nor is the
// embedding, whose rows are read.
constexpr std::array<std::string_view, 15> kScaledInLayers = {"attn_q",
                                                              "attn_k",
                                                              "attn_v",
                                                              "attn_output",
                                                              "attn_qkv",
                                                              "attn_gate",
                                                              "ssm_alpha",
                                                              "ssm_beta",
                                                              "ssm_out",
                                                              "ffn_gate_shexp",
                                                              "ffn_up_shexp",
                                                              "ffn_down_shexp",
                                                              "ffn_gate_exps",
                                                              "ffn_up_exps",
                                                              "ffn_down_exps"};

bool takes_scale(const TensorInfo& weight) {
  if (weight.name == "output.weight") return true;
  if (tensor_layer(weight) < 0) return false;
  std::string_view base = weight.name;
  base.remove_suffix(kWeight.size());
  base.remove_prefix(std::min(base.rfind('.') + 1, base.size()));
  return std::find(kScaledInLayers.begin(), kScaledInLayers.end(), base) != kScaledInLayers.end();
}

}  // namespace

const TensorInfo* find_scale(const TensorDirectory& directory, const std::string& weight_name) {
  if (!weight_name.ends_with(kWeight)) return nullptr;
  const std::string base = weight_name.substr(0, weight_name.size() - kWeight.size());
  const int index = directory.find(base + std::string(kScale));
  return index < 0 ? nullptr : &directory.tensors()[static_cast<size_t>(index)];
}

void check_scales(const ModelConfig& config, const TensorDirectory& directory) {
  for (const TensorInfo& scale : directory.tensors()) {
    if (!scale.name.ends_with(kScale) || tensor_layer(scale) >= config.num_layers) continue;
    const FilePlace place{directory.shards()[static_cast<size_t>(scale.shard)].path,
                          scale.header_byte};
    const std::string base = scale.name.substr(0, scale.name.size() - kScale.size());
    const int weight = directory.find(base + std::string(kWeight));
    if (weight < 0 || !takes_scale(directory.tensors()[static_cast<size_t>(weight)]))
      refuse(75,
             place,
             fmt::format("tensor {} is the scale of no tensor that takes one", quoted(scale.name)));
    const bool experts = tensor_class(directory.tensors()[static_cast<size_t>(weight)]) ==
                         TensorClass::kRoutedExpert;
    const int64_t expected = experts ? config.num_experts : 1;
    if (scale.ne[0] != expected || scale.elements() != expected)
      refuse(75,
             place,
             fmt::format("tensor {} has {} elements, expected {}",
                         quoted(scale.name),
                         scale.elements(),
                         expected));
    if (scale.dtype != DType::kF32)
      refuse(66,
             place,
             fmt::format(
                 "tensor {} is {}; f32 is required", quoted(scale.name), dtype_name(scale.dtype)));
  }
}

}  // namespace shoal::loader
