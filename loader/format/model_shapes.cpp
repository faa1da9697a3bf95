#include "loader/format/model_shapes.h"

#include <fmt/format.h>

#include <algorithm>

#include "loader/format/bad_file.h"
#include "loader/format/scale_tensors.h"

namespace shoal::loader {
namespace {

using Shape = std::array<int64_t, 4>;

// Vectors and the convolution are used as they lie in the file; matrices go through kernels that
// know every block type.
enum class Storage : uint8_t { kF32, kAnyType };

std::string shape_text(const Shape& ne, size_t dims) {
  std::string out;
  for (size_t i = 0; i < dims; ++i) out += (i == 0 ? "" : ", ") + std::to_string(ne[i]);
  return "[" + out + "]";
}

size_t num_dims(const Shape& ne) {
  size_t dims = ne.size();
  while (dims > 1 && ne[dims - 1] == 1) --dims;
  return dims;
}

class Checker {
 public:
  explicit Checker(const TensorDirectory& directory) : directory_(directory) {}

  void vector(const std::string& name, int64_t length) const {
    expect(name, {length, 1, 1, 1}, Storage::kF32);
  }
  void matrix(const std::string& name, int64_t in, int64_t out) const {
    expect(name, {in, out, 1, 1}, Storage::kAnyType);
  }
  bool has(const std::string& name) const { return directory_.find(name) >= 0; }
  void expect(const std::string& name, const Shape& shape, Storage storage) const {
    const TensorInfo& tensor = directory_.at(name);
    const FilePlace place{directory_.shards()[tensor.shard].path, tensor.header_byte};
    if (tensor.ne != shape) {
      const bool has_zero = std::find(tensor.ne.begin(), tensor.ne.end(), 0) != tensor.ne.end();
      const size_t dims = std::max(num_dims(tensor.ne), num_dims(shape));
      refuse(has_zero ? 59 : 75,
             place,
             fmt::format("tensor {} has shape {}, expected {}",
                         quoted(name),
                         shape_text(tensor.ne, dims),
                         shape_text(shape, dims)));
    }
    if (storage == Storage::kF32 && tensor.dtype != DType::kF32)
      refuse(
          66,
          place,
          fmt::format("tensor {} is {}; f32 is required", quoted(name), dtype_name(tensor.dtype)));
  }

 private:
  const TensorDirectory& directory_;
};

void check_attention(const Checker& check, const ModelConfig& config, int layer) {
  const int64_t hidden = config.hidden_size;
  const int64_t q_dim = int64_t{config.num_heads} * config.head_dim;
  const int64_t kv_dim = int64_t{config.num_kv_heads} * config.head_dim;
  // Each head's query is followed by its output gate.
  check.matrix(layer_tensor(layer, "attn_q.weight"), hidden, 2 * q_dim);
  check.matrix(layer_tensor(layer, "attn_k.weight"), hidden, kv_dim);
  check.matrix(layer_tensor(layer, "attn_v.weight"), hidden, kv_dim);
  check.matrix(layer_tensor(layer, "attn_output.weight"), q_dim, hidden);
  check.vector(layer_tensor(layer, "attn_q_norm.weight"), config.head_dim);
  check.vector(layer_tensor(layer, "attn_k_norm.weight"), config.head_dim);
}

void check_delta_net(const Checker& check, const ModelConfig& config, int layer) {
  const int64_t hidden = config.hidden_size;
  check.matrix(layer_tensor(layer, "attn_qkv.weight"), hidden, config.conv_dim());
  check.matrix(layer_tensor(layer, "attn_gate.weight"), hidden, config.value_dim());
  check.matrix(layer_tensor(layer, "ssm_alpha.weight"), hidden, config.num_v_heads);
  check.matrix(layer_tensor(layer, "ssm_beta.weight"), hidden, config.num_v_heads);
  check.expect(layer_tensor(layer, "ssm_conv1d.weight"),
               {config.conv_kernel, config.conv_dim(), 1, 1},
               Storage::kF32);
  check.vector(layer_tensor(layer, "ssm_a"), config.num_v_heads);
  check.vector(layer_tensor(layer, "ssm_dt.bias"), config.num_v_heads);
  check.vector(layer_tensor(layer, "ssm_norm.weight"), config.state_dim);
  check.matrix(layer_tensor(layer, "ssm_out.weight"), config.value_dim(), hidden);
}

void check_experts(const Checker& check, const ModelConfig& config, int layer) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.moe_intermediate_size;
  const int64_t shared = config.shared_intermediate_size;
  const int64_t experts = config.num_experts;
  const Shape into = {hidden, inner, experts, 1};
  check.matrix(layer_tensor(layer, "ffn_gate_inp.weight"), hidden, experts);
  const std::string fused = layer_tensor(layer, "ffn_gate_up_exps.weight");
  if (check.has(fused)) {
    check.expect(fused, {hidden, 2 * inner, experts, 1}, Storage::kAnyType);
  } else {
    check.expect(layer_tensor(layer, "ffn_gate_exps.weight"), into, Storage::kAnyType);
    check.expect(layer_tensor(layer, "ffn_up_exps.weight"), into, Storage::kAnyType);
  }
  check.expect(
      layer_tensor(layer, "ffn_down_exps.weight"), {inner, hidden, experts, 1}, Storage::kAnyType);
  // Written as [hidden] by older converters and as [hidden, 1] by newer ones: the same ne here.
  check.matrix(layer_tensor(layer, "ffn_gate_inp_shexp.weight"), hidden, 1);
  check.matrix(layer_tensor(layer, "ffn_gate_shexp.weight"), hidden, shared);
  check.matrix(layer_tensor(layer, "ffn_up_shexp.weight"), hidden, shared);
  check.matrix(layer_tensor(layer, "ffn_down_shexp.weight"), shared, hidden);
}

}  // namespace

void check_tensors(const ModelConfig& config, const TensorDirectory& directory, int num_blocks) {
  for (const TensorInfo& tensor : directory.tensors())
    if (tensor_layer(tensor) >= num_blocks)
      refuse(76,
             {directory.shards()[tensor.shard].path, tensor.header_byte},
             fmt::format(
                 "tensor {} names a layer outside 0..{}", quoted(tensor.name), num_blocks - 1));
  const Checker check(directory);
  check.matrix("token_embd.weight", config.hidden_size, config.vocab_size);
  check.vector("output_norm.weight", config.hidden_size);
  if (!config.tied_embeddings) check.matrix("output.weight", config.hidden_size, config.vocab_size);
  for (int layer = 0; layer < config.num_layers; ++layer) {
    check.vector(layer_tensor(layer, "attn_norm.weight"), config.hidden_size);
    check.vector(layer_tensor(layer, "post_attention_norm.weight"), config.hidden_size);
    if (config.layers[layer] == LayerKind::kAttention)
      check_attention(check, config, layer);
    else
      check_delta_net(check, config, layer);
    check_experts(check, config, layer);
  }
  check_scales(config, directory);
}

}  // namespace shoal::loader
