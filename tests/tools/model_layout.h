// The tensors of the public Qwen3.5 MoE files, in their order: shapes of the family, the
// quantisation mixes, and the one layer whose types differ. Written from the description of those
// files, apart from the loader, so that the two can be held against each other. Values only.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"

namespace shoal::tools {

struct ModelShape {
  std::string_view name;       // "397b", "122b", "35b", "tiny"
  std::string_view file_name;  // "Qwen3.5-397B-A17B"
  int layers, hidden, heads, kv_heads, k_heads, v_heads, experts, topk, expert_ffn, shared_ffn;
  int vocab;
};

// Types of one layer, or of most.
struct LayerTypes {
  DType gate_up, down;
  DType dense;  // attention, DeltaNet, shared expert
};

struct ModelMix {
  std::string_view name;  // as in the file names: "UD-Q3_K_XL"
  LayerTypes most;
  std::optional<LayerTypes> exception;  // its DeltaNet vectors keep `most`; kExceptionLayer
  DType embedding, output;
  DType decays;                // ssm_alpha, ssm_beta
  bool metadata_shard = true;  // the first shard of a split set holds no tensor
};

// The exception of the public 397B file whose every type is known; an attention layer.
inline constexpr int kExceptionLayer = 27;
// Of models too short for it.
inline constexpr int kShortExceptionLayer = 3;

// "35b, 122b, 397b, tiny", and the like.
std::string shape_names();
std::string mix_names();
// Throw std::invalid_argument that lists the known names.
ModelShape find_shape(std::string_view name);
ModelMix find_mix(std::string_view name);

struct LaidTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> ne;  // the contiguous dimension first
  uint64_t bytes = 0;

  int64_t elements() const;
};

// File order: tensors outside the layers, then layer after layer, by name within each.
std::vector<LaidTensor> lay_out(const ModelShape& shape, const ModelMix& mix);

}  // namespace shoal::tools
