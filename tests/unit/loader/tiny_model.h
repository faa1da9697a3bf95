// A complete qwen35moe model of a few kilobytes, in one file: two layers (DeltaNet, attention),
// five experts, a vocabulary of eight tokens. Tests change one thing and look at the verdict.
#pragma once
#include "tests/unit/loader/gguf_writer.h"

namespace shoal::loader::testing {

inline void add_tiny_metadata(GgufFile& file) {
  file.string("general.architecture", "qwen35moe");
  file.string("general.name", "tiny");
  const std::string arch = "qwen35moe.";
  const std::vector<std::pair<const char*, uint32_t>> dimensions = {
      {"block_count", 2},
      {"context_length", 64},
      {"embedding_length", 8},
      {"attention.head_count", 2},
      {"attention.head_count_kv", 1},
      {"attention.key_length", 4},
      {"attention.value_length", 4},
      {"rope.dimension_count", 2},
      {"expert_count", 5},
      {"expert_used_count", 2},
      {"expert_feed_forward_length", 3},
      {"expert_shared_feed_forward_length", 6},
      {"ssm.conv_kernel", 4},
      {"ssm.state_size", 2},
      {"ssm.group_count", 2},
      {"ssm.time_step_rank", 4},
      {"ssm.inner_size", 8},
      {"full_attention_interval", 2}};
  for (const auto& [key, value] : dimensions) file.u32(arch + key, value);
  file.f32(arch + "attention.layer_norm_rms_epsilon", 1e-6F);
  file.f32(arch + "rope.freq_base", 1e7F);
}

inline void add_tiny_vocabulary(GgufFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  file.string(prefix + "model", "gpt2");
  file.string(prefix + "pre", "qwen35");
  file.put(prefix + "tokens", 9, texts({"a", "b", "c", "ab", "abc", "<|im_end|>", "<tool>", "x"}));
  std::string types;
  for (const int32_t type : {1, 1, 1, 1, 1, 3, 4, 5}) types += raw(type);
  file.put(prefix + "token_type", 9, array_of(5, 8, types));
  file.put(prefix + "merges", 9, texts({"a b", "ab c"}));
  file.u32(prefix + "eos_token_id", 5);
}

// Shapes written out for hidden 8, q 2x4 (doubled: the gate), kv 1x4, K heads 2x2, V heads 4x2.
inline void add_tiny_tensors(GgufFile& file) {
  file.tensors = {
      {"token_embd.weight", {8, 8}},
      {"output_norm.weight", {8}},
      {"output.weight", {8, 8}},
      {"blk.0.attn_qkv.weight", {8, 16}},
      {"blk.0.attn_gate.weight", {8, 8}},
      {"blk.0.ssm_alpha.weight", {8, 4}},
      {"blk.0.ssm_beta.weight", {8, 4}},
      {"blk.0.ssm_conv1d.weight", {4, 16}},
      {"blk.0.ssm_a", {4}},
      {"blk.0.ssm_dt.bias", {4}},
      {"blk.0.ssm_norm.weight", {2}},
      {"blk.0.ssm_out.weight", {8, 8}},
      {"blk.1.attn_q.weight", {8, 16}},
      {"blk.1.attn_k.weight", {8, 4}},
      {"blk.1.attn_v.weight", {8, 4}},
      {"blk.1.attn_output.weight", {8, 8}},
      {"blk.1.attn_q_norm.weight", {4}},
      {"blk.1.attn_k_norm.weight", {4}},
  };
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    file.tensors.push_back({layer + "attn_norm.weight", {8}});
    file.tensors.push_back({layer + "post_attention_norm.weight", {8}});
    file.tensors.push_back({layer + "ffn_gate_inp.weight", {8, 5}});
    file.tensors.push_back({layer + "ffn_gate_exps.weight", {8, 3, 5}});
    file.tensors.push_back({layer + "ffn_up_exps.weight", {8, 3, 5}});
    file.tensors.push_back({layer + "ffn_down_exps.weight", {3, 8, 5}});
    file.tensors.push_back({layer + "ffn_gate_inp_shexp.weight", {8}});
    file.tensors.push_back({layer + "ffn_gate_shexp.weight", {8, 6}});
    file.tensors.push_back({layer + "ffn_up_shexp.weight", {8, 6}});
    file.tensors.push_back({layer + "ffn_down_shexp.weight", {6, 8}});
  }
}

inline GgufFile tiny_model() {
  GgufFile file;
  add_tiny_metadata(file);
  add_tiny_vocabulary(file);
  add_tiny_tensors(file);
  return file;
}

// Two tensors and one key: for tests of the container alone.
inline GgufFile tiny_container() {
  GgufFile file;
  file.string("general.architecture", "any");
  file.tensors = {{"x", {8, 4}}, {"y", {1024}}};
  return file;
}

}  // namespace shoal::loader::testing
