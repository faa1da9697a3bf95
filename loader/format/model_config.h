// The dimensions of a qwen35moe model, read from metadata and checked against the tensors.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "loader/format/tensor_directory.h"

namespace shoal::loader {

class Metadata;

enum class LayerKind : uint8_t { kDeltaNet, kAttention };

struct ModelConfig {
  std::string architecture;  // "qwen35moe"
  std::string name;          // general.name, untrusted text
  int num_layers = 0;        // trunk only: block_count - nextn_predict_layers
  int64_t context_length = 0;
  int64_t hidden_size = 0;
  int64_t vocab_size = 0;  // rows of token_embd
  float rms_epsilon = 0;   // RMSNorm, gated norm and the L2 norm of DeltaNet

  // Full attention
  int num_heads = 0, num_kv_heads = 0;
  int head_dim = 0;    // 256: keys and values alike
  int rotary_dim = 0;  // 64: the first dims of a head; pairs (i, i + rotary_dim / 2)
  float rope_base = 0;

  // Gated DeltaNet
  int num_k_heads = 0;  // ssm.group_count
  int num_v_heads = 0;  // ssm.time_step_rank; V head n uses K head n mod num_k_heads
  int state_dim = 0;    // ssm.state_size: K and V head dim, 128
  int conv_kernel = 0;  // 4

  // Mixture of experts
  int num_experts = 0, num_topk = 0;
  int64_t moe_intermediate_size = 0, shared_intermediate_size = 0;

  std::vector<LayerKind> layers;  // num_layers entries
  bool tied_embeddings = false;   // no output.weight: token_embd serves as lm_head

  int64_t key_dim() const { return int64_t{num_k_heads} * state_dim; }
  int64_t value_dim() const { return int64_t{num_v_heads} * state_dim; }
  int64_t conv_dim() const { return 2 * key_dim() + value_dim(); }
  int num_attention_layers() const;
  int num_delta_layers() const;
};

// Architecture qwen35moe only. Checks every dimension, and that each tensor the model needs is
// there with the shape the dimensions demand. Throws ModelFileError.
ModelConfig parse_model_config(const Metadata& metadata, const TensorDirectory& directory);

// One layer's tensor names: layer_tensor(3, "attn_q.weight") -> "blk.3.attn_q.weight".
std::string layer_tensor(int layer, const char* suffix);

// What class a tensor belongs to, by its name alone (layers beyond num_layers, which hold the
// multi-token-prediction block, are classified too: leave them out by tensor_layer()). The ledger
// and the planner add up bytes by it.
enum class TensorClass : uint8_t {
  kEmbedding,
  kLmHead,
  kAttention,
  kDeltaNet,
  kRouter,
  kSharedExpert,
  kRoutedExpert,
  kNorm,
  kOther
};
TensorClass tensor_class(const TensorInfo& tensor);
const char* tensor_class_name(TensorClass tensor_class);

// Layer number in "blk.N.x", or -1 for tensors outside the layers; numbers beyond int are INT_MAX.
int tensor_layer(const TensorInfo& tensor);

}  // namespace shoal::loader
