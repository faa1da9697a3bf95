#include "runtime/model/model.h"

#include <chrono>

#include "runtime/model/dense_input.h"

namespace shoal::model {
namespace {

// Adds the time from its construction to its end to one figure.
class PartTimer {
 public:
  explicit PartTimer(double& seconds)
      : seconds_(seconds), begin_(std::chrono::steady_clock::now()) {}
  ~PartTimer() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_;
};

// A buffer that grows to the largest step seen and is then reused.
class Rows {
 public:
  TensorView f32(int64_t rows, int64_t cols) {
    const auto floats = static_cast<size_t>(rows * cols);
    if (memory_.size() < floats) memory_.resize(floats);
    return view_f32(memory_.data(), rows, cols);
  }
  TensorView i32(int64_t rows, int64_t cols) {
    TensorView view = f32(rows, cols);
    view.dtype = DType::kI32;
    return view;
  }

 private:
  std::vector<float> memory_;
};

}  // namespace

struct Model::Scratch {
  Rows normed, mixed, gate, query, key, value, alpha, beta, attended, projected;
  Rows router_logits, topk_ids, topk_weights, shared_gate, shared_up, shared_router, expert_out;
  QuantizedBuffer input, inner, expert_rows;
  std::vector<std::byte> workspace;
  PartSeconds seconds;
};

Model::Model(const loader::ModelConfig& config,
             const ModelWeights& weights,
             const kernels::KernelTable& kernels,
             transport::ExpertAllToAll& experts,
             transport::RowGather& gather)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      experts_(experts),
      gather_(gather),
      scratch_(std::make_unique<Scratch>()) {}

Model::~Model() = default;

const PartSeconds& Model::seconds() const { return scratch_->seconds; }

void Model::embed(const Batch& batch, TensorView hidden, const Exec& exec) const {
  kernels_.embed_rows({.table = weights_.embedding, .token_ids = batch.token_ids, .output = hidden},
                      exec);
}

void Model::forward(const Batch& batch, TensorView hidden, const Exec& exec) const {
  size_t attention_layer = 0, delta_layer = 0;
  for (const LayerWeights& layer : weights_.layers) {
    const TensorView normed = scratch_->normed.f32(batch.num_tokens, config_.hidden_size);
    if (batch.num_tokens > 0)
      kernels_.rms_norm({.input = hidden,
                         .weight = layer.attn_norm,
                         .epsilon = config_.rms_epsilon,
                         .output = normed},
                        exec);
    if (layer.kind == loader::LayerKind::kAttention) {
      const kernels::KvCache& cache = (*batch.kv.layers)[attention_layer++];
      if (batch.num_tokens > 0) attention(layer.attention, batch, cache, hidden, exec);
    } else {
      const DeltaState& state = (*batch.state.layers)[delta_layer++];
      if (batch.num_tokens > 0) delta_net(layer.delta, batch, state, hidden, exec);
    }
    if (batch.num_tokens > 0)
      kernels_.rms_norm({.input = hidden,
                         .weight = layer.post_attention_norm,
                         .epsilon = config_.rms_epsilon,
                         .output = normed},
                        exec);
    mixture_of_experts(layer.moe, batch.token_capacity, hidden, exec);
  }
}

void Model::attention(const AttentionWeights& weights,
                      const Batch& batch,
                      const kernels::KvCache& cache,
                      TensorView hidden,
                      const Exec& exec) const {
  const PartTimer timer(scratch_->seconds.attention);
  const int64_t n = batch.num_tokens;
  const int head_dim = config_.head_dim;
  const int query_stride = 2 * head_dim;  // each head: query, then its output gate
  const TensorView query = scratch_->query.f32(n, int64_t{config_.num_heads} * query_stride);
  const TensorView key = scratch_->key.f32(n, int64_t{config_.num_kv_heads} * head_dim);
  const TensorView value = scratch_->value.f32(n, int64_t{config_.num_kv_heads} * head_dim);
  const TensorView attended = scratch_->attended.f32(n, int64_t{config_.num_heads} * head_dim);
  const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);

  DenseInput input(kernels_, scratch_->normed.f32(n, config_.hidden_size), scratch_->input, exec);
  input.project(weights.q, query);
  input.project(weights.k, key);
  input.project(weights.v, value);

  kernels::QkNormRopeParams rope{.heads = query,
                                 .num_heads = config_.num_heads,
                                 .head_dim = head_dim,
                                 .head_stride = query_stride,
                                 .weight = weights.q_norm,
                                 .epsilon = config_.rms_epsilon,
                                 .rotary_dim = config_.rotary_dim,
                                 .rope_base = config_.rope_base,
                                 .positions = batch.positions};
  kernels_.qk_norm_rope(rope, exec);
  rope.heads = key;
  rope.num_heads = config_.num_kv_heads;
  rope.head_stride = head_dim;
  rope.weight = weights.k_norm;
  kernels_.qk_norm_rope(rope, exec);

  kernels_.attention({.query = query,
                      .key = key,
                      .value = value,
                      .num_heads = config_.num_heads,
                      .num_kv_heads = config_.num_kv_heads,
                      .head_dim = head_dim,
                      .query_stride = query_stride,
                      .cache = cache,
                      .num_sequences = batch.num_sequences,
                      .sequence_starts = batch.sequence_starts,
                      .positions = batch.positions,
                      .block_tables = batch.kv.block_tables,
                      .block_table_stride = batch.kv.block_table_stride,
                      .output = attended},
                     exec);
  kernels_.sigmoid_mul({.values = attended,
                        .gate = query,
                        .num_heads = config_.num_heads,
                        .dim = head_dim,
                        .gate_stride = query_stride,
                        .gate_offset = head_dim},
                       exec);
  gather_.all_gather(attended, attended, exec);
  DenseInput(kernels_, attended, scratch_->inner, exec).project(weights.output, projected);
  kernels_.add_scaled({.input = projected, .gate = nullptr, .output = hidden}, exec);
}

void Model::delta_net(const DeltaNetWeights& weights,
                      const Batch& batch,
                      const DeltaState& state,
                      TensorView hidden,
                      const Exec& exec) const {
  const PartTimer timer(scratch_->seconds.delta_net);
  const int64_t n = batch.num_tokens;
  const TensorView raw = scratch_->query.f32(n, config_.conv_dim());
  const TensorView mixed = scratch_->mixed.f32(n, config_.conv_dim());
  const TensorView gate = scratch_->gate.f32(n, config_.value_dim());
  const TensorView alpha = scratch_->alpha.f32(n, config_.num_v_heads);
  const TensorView beta = scratch_->beta.f32(n, config_.num_v_heads);
  const TensorView attended = scratch_->attended.f32(n, config_.value_dim());
  const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);

  DenseInput input(kernels_, scratch_->normed.f32(n, config_.hidden_size), scratch_->input, exec);
  input.project(weights.qkv, raw);
  input.project(weights.gate, gate);
  input.project(weights.alpha, alpha);
  input.project(weights.beta, beta);

  kernels_.conv_silu({.input = raw,
                      .weight = weights.conv,
                      .kernel = config_.conv_kernel,
                      .conv_state = state.conv,
                      .num_sequences = batch.num_sequences,
                      .sequence_starts = batch.sequence_starts,
                      .state_slots = batch.state.slots,
                      .output = mixed},
                     exec);
  kernels_.delta_net({.mixed = mixed,
                      .alpha = alpha,
                      .beta = beta,
                      .a = weights.a,
                      .dt_bias = weights.dt_bias,
                      .num_k_heads = config_.num_k_heads,
                      .num_v_heads = config_.num_v_heads,
                      .dim = config_.state_dim,
                      .epsilon = config_.rms_epsilon,
                      .state = state.state,
                      .num_sequences = batch.num_sequences,
                      .sequence_starts = batch.sequence_starts,
                      .state_slots = batch.state.slots,
                      .output = attended},
                     exec);
  kernels_.gated_norm({.input = attended,
                       .gate = gate,
                       .weight = weights.norm,
                       .dim = config_.state_dim,
                       .epsilon = config_.rms_epsilon,
                       .output = attended},
                      exec);
  gather_.all_gather(attended, attended, exec);
  DenseInput(kernels_, attended, scratch_->inner, exec).project(weights.out, projected);
  kernels_.add_scaled({.input = projected, .gate = nullptr, .output = hidden}, exec);
}

void Model::mixture_of_experts(const MoeWeights& weights,
                               int token_capacity,
                               TensorView hidden,
                               const Exec& exec) const {
  PartSeconds& seconds = scratch_->seconds;
  const int64_t n = hidden.rows();
  const TensorView normed = scratch_->normed.f32(n, config_.hidden_size);
  const TensorView logits = scratch_->router_logits.f32(n, config_.num_experts);
  const TensorView topk_ids = scratch_->topk_ids.i32(n, config_.num_topk);
  const TensorView topk_weights = scratch_->topk_weights.f32(n, config_.num_topk);
  DenseInput input(kernels_, normed, scratch_->input, exec);

  const bool quantized = is_quantized(weights.experts.front().gate.dtype);
  kernels::ActivationRows rows = as_float_rows(normed);
  if (n > 0) {
    const PartTimer timer(seconds.router);
    input.project(weights.router, logits);
    kernels_.router_topk({.logits = logits,
                          .num_topk = config_.num_topk,
                          .topk_ids = topk_ids,
                          .topk_weights = topk_weights},
                         exec);
  }
  if (quantized)
    rows =
        quantize(kernels_, normed, kernels::ActivationFormat::kInt8, scratch_->expert_rows, exec);

  transport::DispatchHandle handle;
  {
    const PartTimer timer(seconds.dispatch);
    handle = experts_.start_dispatch({.rows = rows,
                                      .topk_ids = topk_ids,
                                      .topk_weights = topk_weights,
                                      .token_capacity = token_capacity},
                                     exec);
  }
  if (n > 0) {
    // The shared expert runs for every token while rows are on the wire.
    const PartTimer timer(seconds.expert);
    const TensorView gate = scratch_->shared_gate.f32(n, weights.shared.gate.rows);
    const TensorView up = scratch_->shared_up.f32(n, weights.shared.up.rows);
    const TensorView router = scratch_->shared_router.f32(n, 1);
    const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);
    input.project(weights.shared.gate, gate);
    input.project(weights.shared.up, up);
    input.project(weights.shared_router, router);
    kernels_.silu_mul({.gate = gate, .up = up, .output = gate}, exec);
    DenseInput(kernels_, gate, scratch_->inner, exec).project(weights.shared.down, projected);
    kernels_.add_scaled({.input = projected, .gate = router.f32(), .output = hidden}, exec);
  }

  transport::ExpertRows arrived;
  {
    const PartTimer timer(seconds.dispatch);
    arrived = experts_.finish_dispatch(handle, exec);
  }
  const TensorView expert_out = scratch_->expert_out.f32(arrived.rows.rows, config_.hidden_size);
  if (arrived.rows.rows > 0) {
    const PartTimer timer(seconds.expert);
    const size_t needed =
        kernels::expert_mlp_workspace(arrived.rows.rows, config_.moe_intermediate_size);
    // 64 bytes more, so that the kernel's part can start on a cache line.
    if (scratch_->workspace.size() < needed + 64) scratch_->workspace.resize(needed + 64);
    void* aligned = scratch_->workspace.data();
    size_t space = scratch_->workspace.size();
    aligned = std::align(64, needed, aligned, space);
    Exec with_workspace = exec;
    with_workspace.workspace = {static_cast<std::byte*>(aligned), space};
    kernels_.expert_mlp({.experts = weights.experts,
                         .tokens_per_expert = arrived.tokens_per_expert,
                         .input = arrived.rows,
                         .output = expert_out},
                        with_workspace);
    seconds.expert_rows += static_cast<uint64_t>(arrived.rows.rows);
  }
  const PartTimer timer(seconds.combine);
  experts_.combine(std::move(handle), expert_out, hidden, exec);
}

void Model::logits(TensorView rows, TensorView out, const Exec& exec) const {
  const TensorView normed = scratch_->normed.f32(rows.rows(), config_.hidden_size);
  kernels_.rms_norm({.input = rows,
                     .weight = weights_.output_norm,
                     .epsilon = config_.rms_epsilon,
                     .output = normed},
                    exec);
  DenseInput(kernels_, normed, scratch_->input, exec).project(weights_.lm_head, out);
}

}  // namespace shoal::model
