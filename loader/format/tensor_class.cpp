#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "loader/format/model_config.h"

namespace shoal::loader {
namespace {

constexpr std::string_view kLayerPrefix = "blk.";

// Where the digits of "blk.N." end; 0 for names of another form.
size_t layer_digits_end(std::string_view name) {
  if (!name.starts_with(kLayerPrefix)) return 0;
  size_t end = kLayerPrefix.size();
  while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
  return end > kLayerPrefix.size() && end < name.size() && name[end] == '.' ? end : 0;
}

struct Suffix {
  std::string_view text;
  TensorClass tensor_class;
};
constexpr std::array kSuffixes = {
    Suffix{"attn_norm.weight", TensorClass::kNorm},
    Suffix{"post_attention_norm.weight", TensorClass::kNorm},
    Suffix{"attn_q_norm.weight", TensorClass::kNorm},
    Suffix{"attn_k_norm.weight", TensorClass::kNorm},
    Suffix{"attn_q.weight", TensorClass::kAttention},
    Suffix{"attn_k.weight", TensorClass::kAttention},
    Suffix{"attn_v.weight", TensorClass::kAttention},
    Suffix{"attn_output.weight", TensorClass::kAttention},
    Suffix{"attn_qkv.weight", TensorClass::kDeltaNet},
    Suffix{"attn_gate.weight", TensorClass::kDeltaNet},
    Suffix{"ssm_alpha.weight", TensorClass::kDeltaNet},
    Suffix{"ssm_beta.weight", TensorClass::kDeltaNet},
    Suffix{"ssm_conv1d.weight", TensorClass::kDeltaNet},
    Suffix{"ssm_a", TensorClass::kDeltaNet},
    Suffix{"ssm_dt.bias", TensorClass::kDeltaNet},
    Suffix{"ssm_norm.weight", TensorClass::kDeltaNet},
    Suffix{"ssm_out.weight", TensorClass::kDeltaNet},
    Suffix{"ffn_gate_inp.weight", TensorClass::kRouter},
    Suffix{"ffn_gate_inp_shexp.weight", TensorClass::kSharedExpert},
    Suffix{"ffn_gate_shexp.weight", TensorClass::kSharedExpert},
    Suffix{"ffn_up_shexp.weight", TensorClass::kSharedExpert},
    Suffix{"ffn_down_shexp.weight", TensorClass::kSharedExpert},
    Suffix{"ffn_gate_exps.weight", TensorClass::kRoutedExpert},
    Suffix{"ffn_up_exps.weight", TensorClass::kRoutedExpert},
    Suffix{"ffn_down_exps.weight", TensorClass::kRoutedExpert},
    Suffix{"ffn_gate_up_exps.weight", TensorClass::kRoutedExpert},
};

}  // namespace

std::string layer_tensor(int layer, const char* suffix) {
  return fmt::format("{}{}.{}", kLayerPrefix, layer, suffix);
}

int tensor_layer(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  const size_t end = layer_digits_end(name);
  if (end == 0) return -1;
  int64_t layer = 0;
  for (size_t i = kLayerPrefix.size(); i < end; ++i) {
    layer = layer * 10 + (name[i] - '0');
    if (layer > std::numeric_limits<int>::max()) return std::numeric_limits<int>::max();
  }
  return static_cast<int>(layer);
}

TensorClass tensor_class(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  if (name == "token_embd.weight") return TensorClass::kEmbedding;
  if (name == "output.weight") return TensorClass::kLmHead;
  if (name == "output_norm.weight") return TensorClass::kNorm;
  const size_t digits_end = layer_digits_end(name);
  if (digits_end == 0) return TensorClass::kOther;
  const std::string_view suffix = name.substr(digits_end + 1);
  const auto found = std::find_if(kSuffixes.begin(), kSuffixes.end(), [&](const Suffix& entry) {
    return entry.text == suffix;
  });
  return found == kSuffixes.end() ? TensorClass::kOther : found->tensor_class;
}

const char* tensor_class_name(TensorClass tensor_class) {
  switch (tensor_class) {
    case TensorClass::kEmbedding:
      return "embedding";
    case TensorClass::kLmHead:
      return "lm_head";
    case TensorClass::kAttention:
      return "attention";
    case TensorClass::kDeltaNet:
      return "delta_net";
    case TensorClass::kRouter:
      return "router";
    case TensorClass::kSharedExpert:
      return "shared_expert";
    case TensorClass::kRoutedExpert:
      return "routed_expert";
    case TensorClass::kNorm:
      return "norm";
    case TensorClass::kOther:
      return "other";
  }
  return "other";
}

}  // namespace shoal::loader
