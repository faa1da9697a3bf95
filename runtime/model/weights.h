// One rank's weights as the layers read them: views into mapped or owned bytes, experts by local
// index. Filled by the engine's loader; the model only reads. Names and shapes: the GGUF tensors of
// the qwen35moe architecture.
#pragma once
#include <vector>

#include "kernels/ops/expert_mlp.h"
#include "kernels/weight_view.h"
#include "loader/format/model_config.h"

namespace shoal::model {

struct AttentionWeights {
  kernels::WeightView q;          // [num_heads * 2 * head_dim, hidden]: query, gate per head
  kernels::WeightView k, v;       // [num_kv_heads * head_dim, hidden]
  kernels::WeightView output;     // [hidden, num_heads * head_dim]
  const float* q_norm = nullptr;  // [head_dim]
  const float* k_norm = nullptr;  // [head_dim]
};

struct DeltaNetWeights {
  kernels::WeightView qkv;          // [conv_dim, hidden]
  kernels::WeightView gate;         // [value_dim, hidden]
  kernels::WeightView alpha, beta;  // [num_v_heads, hidden]
  kernels::WeightView out;          // [hidden, value_dim]
  const float* conv = nullptr;      // [conv_dim, conv_kernel]
  const float* a = nullptr;         // [num_v_heads]
  const float* dt_bias = nullptr;   // [num_v_heads]
  const float* norm = nullptr;      // [state_dim]
};

struct MoeWeights {
  kernels::WeightView router;         // [num_experts, hidden], a float type
  kernels::WeightView shared_router;  // [1, hidden], a float type
  kernels::ExpertWeights shared;
  std::vector<kernels::ExpertWeights> experts;  // by local expert index
};

struct LayerWeights {
  loader::LayerKind kind = loader::LayerKind::kDeltaNet;
  const float* attn_norm = nullptr;            // [hidden]
  const float* post_attention_norm = nullptr;  // [hidden]
  AttentionWeights attention;                  // kAttention
  DeltaNetWeights delta;                       // kDeltaNet
  MoeWeights moe;
};

struct ModelWeights {
  kernels::WeightView embedding;       // first stage
  std::vector<LayerWeights> layers;    // this stage's, in order
  const float* output_norm = nullptr;  // last stage
  kernels::WeightView lm_head;         // last stage
};

}  // namespace shoal::model
