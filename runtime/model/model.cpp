#include "runtime/model/model.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "runtime/model/part_timer.h"

namespace shoal::model {
namespace {

using kernels::Projection;
using kernels::WeightView;

// int16 rows are wanted where some matrix that reads them is quantised.
bool any_quantized(std::initializer_list<const WeightView*> weights) {
  return std::any_of(weights.begin(), weights.end(), [](const WeightView* weight) {
    return is_quantized(weight->dtype);
  });
}

Formats input_formats(const LayerWeights& layer) {
  if (layer.kind == loader::LayerKind::kAttention)
    return {.int16 = any_quantized({&layer.attention.q, &layer.attention.k, &layer.attention.v})};
  const DeltaNetWeights& delta = layer.delta;
  return {.int16 = any_quantized({&delta.qkv, &delta.gate, &delta.alpha, &delta.beta})};
}

Formats input_formats(const MoeWeights& moe) {
  return {
      .int16 = any_quantized({&moe.router, &moe.shared_router, &moe.shared.gate, &moe.shared.up}),
      .int8 = is_quantized(moe.experts.front().gate.dtype)};
}

}  // namespace

Model::Model(const loader::ModelConfig& config,
             const ModelWeights& weights,
             const ModelParts& parts,
             const StepSizes& sizes)
    : config_(config),
      weights_(weights),
      kernels_(parts.kernels),
      experts_(parts.experts),
      gather_(parts.gather),
      backend_(sizes.backend),
      scratch_(std::make_unique<Scratch>(config, sizes)) {}

Model::~Model() = default;

void Model::embed(const Batch& batch, TensorView hidden, const Exec& exec) const {
  kernels_.embed_rows({.table = weights_.embedding, .token_ids = batch.token_ids, .output = hidden},
                      exec);
}

kernels::InputRows Model::norm_input(TensorView hidden,
                                     TensorView addend,
                                     const float* weight,
                                     Formats formats,
                                     const Exec& exec) const {
  const kernels::InputRows input = scratch_->input.rows(hidden.rows(), hidden.cols(), formats);
  if (hidden.rows() > 0)
    kernels_.norm_inputs({.hidden = hidden,
                          .addend = addend,
                          .weight = weight,
                          .epsilon = config_.rms_epsilon,
                          .output = input},
                         exec);
  return input;
}

void Model::project(const kernels::InputRows& input,
                    std::span<const Projection> projections,
                    const Exec& exec) const {
  kernels_.project({.input = input, .projections = projections}, exec);
}

void Model::forward(const Batch& batch, TensorView hidden, const Exec& caller) const {
  Exec exec = caller;
  exec.workspace = scratch_->workspace.span();
  size_t attention_layer = 0, delta_layer = 0;
  for (const LayerWeights& layer : weights_.layers) {
    kernels::InputRows input = norm_input(hidden, {}, layer.attn_norm, input_formats(layer), exec);
    TensorView addend;
    if (layer.kind == loader::LayerKind::kAttention) {
      const kernels::KvCache& cache = (*batch.kv.layers)[attention_layer++];
      if (batch.num_tokens > 0) addend = attention(layer.attention, batch, cache, input, exec);
    } else {
      const DeltaState& state = (*batch.state.layers)[delta_layer++];
      if (batch.num_tokens > 0) addend = delta_net(layer.delta, batch, state, input, exec);
    }
    input = norm_input(hidden, addend, layer.post_attention_norm, input_formats(layer.moe), exec);
    mixture_of_experts(static_cast<size_t>(&layer - weights_.layers.data()),
                       input,
                       batch.token_capacity,
                       hidden,
                       exec);
  }
}

TensorView Model::attention(const AttentionWeights& weights,
                            const Batch& batch,
                            const kernels::KvCache& cache,
                            const kernels::InputRows& input,
                            const Exec& exec) const {
  const PartTimer timer(seconds_.attention, computes_here());
  const int64_t n = batch.num_tokens;
  const int head_dim = config_.head_dim;
  const int query_stride = 2 * head_dim;  // each head: query, then its output gate
  const TensorView query = scratch_->raw.f32(n, int64_t{config_.num_heads} * query_stride);
  const TensorView key = scratch_->key.f32(n, int64_t{config_.num_kv_heads} * head_dim);
  const TensorView value = scratch_->value.f32(n, int64_t{config_.num_kv_heads} * head_dim);
  const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);
  const kernels::InputRows attended = scratch_->inner.rows(
      n, int64_t{config_.num_heads} * head_dim, {.int16 = is_quantized(weights.output.dtype)});
  const TensorView attended_f32 = view_f32(attended.f32, n, attended.cols);

  project(
      input,
      std::array{
          Projection{weights.q, query}, Projection{weights.k, key}, Projection{weights.v, value}},
      exec);
  const kernels::QkNormRopeParams query_rope{.heads = query,
                                             .num_heads = config_.num_heads,
                                             .head_dim = head_dim,
                                             .head_stride = query_stride,
                                             .weight = weights.q_norm,
                                             .epsilon = config_.rms_epsilon,
                                             .rotary_dim = config_.rotary_dim,
                                             .rope_base = config_.rope_base,
                                             .positions = batch.positions};
  kernels::QkNormRopeParams key_rope = query_rope;
  key_rope.heads = key;
  key_rope.num_heads = config_.num_kv_heads;
  key_rope.head_stride = head_dim;
  key_rope.weight = weights.k_norm;
  kernels_.attention_mix({.query = query_rope,
                          .key = key_rope,
                          .attention = {.query = query,
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
                                        .output = attended_f32},
                          .gate = {.values = attended_f32,
                                   .gate = query,
                                   .num_heads = config_.num_heads,
                                   .dim = head_dim,
                                   .gate_stride = query_stride,
                                   .gate_offset = head_dim},
                          .output = attended},
                         exec);
  gather_.all_gather(attended_f32, attended_f32, exec);
  project(attended, std::array{Projection{weights.output, projected}}, exec);
  return projected;
}

TensorView Model::delta_net(const DeltaNetWeights& weights,
                            const Batch& batch,
                            const DeltaState& state,
                            const kernels::InputRows& input,
                            const Exec& exec) const {
  const PartTimer timer(seconds_.delta_net, computes_here());
  const int64_t n = batch.num_tokens;
  const TensorView raw = scratch_->raw.f32(n, config_.conv_dim());
  const TensorView mixed = scratch_->mixed.f32(n, config_.conv_dim());
  const TensorView gate = scratch_->gate.f32(n, config_.value_dim());
  const TensorView alpha = scratch_->alpha.f32(n, config_.num_v_heads);
  const TensorView beta = scratch_->beta.f32(n, config_.num_v_heads);
  const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);
  const kernels::InputRows attended =
      scratch_->inner.rows(n, config_.value_dim(), {.int16 = is_quantized(weights.out.dtype)});
  const TensorView attended_f32 = view_f32(attended.f32, n, attended.cols);

  project(input,
          std::array{Projection{weights.qkv, raw},
                     Projection{weights.gate, gate},
                     Projection{weights.alpha, alpha},
                     Projection{weights.beta, beta}},
          exec);
  kernels_.delta_mix({.conv = {.input = raw,
                               .weight = weights.conv,
                               .kernel = config_.conv_kernel,
                               .conv_state = state.conv,
                               .num_sequences = batch.num_sequences,
                               .sequence_starts = batch.sequence_starts,
                               .state_slots = batch.state.slots,
                               .output = mixed},
                      .delta = {.mixed = mixed,
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
                                .output = attended_f32},
                      .norm = {.input = attended_f32,
                               .gate = gate,
                               .weight = weights.norm,
                               .dim = config_.state_dim,
                               .epsilon = config_.rms_epsilon,
                               .output = attended_f32},
                      .output = attended},
                     exec);
  gather_.all_gather(attended_f32, attended_f32, exec);
  project(attended, std::array{Projection{weights.out, projected}}, exec);
  return projected;
}

std::span<const WeightView> Model::read_after(size_t layer) const {
  if (layer + 1 >= weights_.layers.size()) return {};
  const LayerWeights& next = weights_.layers[layer + 1];
  // The last of what the next layer's first product reads: its beginning is soon asked for anyhow.
  return {next.kind == loader::LayerKind::kAttention ? &next.attention.v : &next.delta.gate, 1};
}

void Model::mixture_of_experts(size_t layer,
                               const kernels::InputRows& input,
                               int token_capacity,
                               TensorView hidden,
                               const Exec& exec) const {
  const MoeWeights& weights = weights_.layers[layer].moe;
  const int64_t n = hidden.rows();
  const TensorView logits = scratch_->router_logits.f32(n, config_.num_experts);
  const TensorView topk_ids = scratch_->topk_ids.i32(n, config_.num_topk);
  const TensorView topk_weights = scratch_->topk_weights.f32(n, config_.num_topk);
  const TensorView gate = scratch_->shared_gate.f32(n, weights.shared.gate.rows);
  const TensorView up = scratch_->shared_up.f32(n, weights.shared.up.rows);
  const TensorView shared_router = scratch_->shared_router.f32(n, 1);
  const std::array inputs_first{Projection{weights.router, logits},
                                Projection{weights.shared_router, shared_router},
                                Projection{weights.shared.gate, gate},
                                Projection{weights.shared.up, up}};
  const std::span<const Projection> projections(inputs_first);
  // Where rows travel, the shared expert runs while they do; where nothing travels it goes along
  // with the experts if the backend can do that, else its matrices go along with the router.
  const bool with_experts = kernels_.experts_take_shared && !experts_.rows_travel();
  const size_t num_before_dispatch = experts_.rows_travel() ? 1
                                     : with_experts         ? 2
                                                            : projections.size();

  if (n > 0) {
    const PartTimer timer(seconds_.router, computes_here());
    project(input, projections.first(num_before_dispatch), exec);
    kernels_.router_topk({.logits = logits,
                          .num_topk = config_.num_topk,
                          .topk_ids = topk_ids,
                          .topk_weights = topk_weights,
                          .groups = experts_.groups_of(topk_ids),
                          .ahead = read_after(layer)},
                         exec);
  }
  transport::DispatchHandle handle;
  {
    const PartTimer timer(seconds_.dispatch, computes_here());
    const bool quantized = is_quantized(weights.experts.front().gate.dtype);
    handle = experts_.start_dispatch({.rows = input.in(quantized ? kernels::ActivationFormat::kInt8
                                                                 : kernels::ActivationFormat::kF32),
                                      .topk_ids = topk_ids,
                                      .topk_weights = topk_weights,
                                      .token_capacity = token_capacity},
                                     exec);
  }
  const kernels::InputRows inner =
      scratch_->inner.rows(n, gate.cols(), {.int16 = is_quantized(weights.shared.down.dtype)});
  const TensorView projected = scratch_->projected.f32(n, config_.hidden_size);
  const kernels::SharedExpert shared = {.weights = weights.shared,
                                        .input = input,
                                        .gate = gate,
                                        .up = up,
                                        .inner = inner,
                                        .output = projected};
  if (n > 0 && !with_experts) {
    const PartTimer timer(seconds_.expert, computes_here());
    if (num_before_dispatch < projections.size())
      project(input, projections.subspan(num_before_dispatch), exec);
    kernels_.silu_inputs(
        {.mul = {.gate = gate, .up = up, .output = view_f32(inner.f32, n, gate.cols())},
         .output = inner},
        exec);
    project(inner, std::array{Projection{weights.shared.down, projected}}, exec);
  }
  if (n > 0 && !experts_.take_shared(projected, shared_router.f32())) {
    const PartTimer timer(seconds_.expert, computes_here());
    kernels_.add_scaled({.input = projected, .gate = shared_router.f32(), .output = hidden}, exec);
  }

  transport::ExpertRows arrived;
  {
    const PartTimer timer(seconds_.dispatch, computes_here());
    arrived = experts_.finish_dispatch(handle, exec);
  }
  const TensorView expert_out =
      run_experts(weights, arrived, with_experts ? &shared : nullptr, exec);
  const PartTimer timer(seconds_.combine, computes_here());
  experts_.combine(std::move(handle), expert_out, hidden, exec);
}

TensorView Model::run_experts(const MoeWeights& weights,
                              const transport::ExpertRows& arrived,
                              const kernels::SharedExpert* shared,
                              const Exec& exec) const {
  const int64_t num_rows =
      arrived.groups != nullptr ? arrived.groups->num_pairs : arrived.rows.rows;
  const TensorView expert_out = scratch_->expert_out.f32(num_rows, config_.hidden_size);
  if (num_rows == 0) return expert_out;
  const PartTimer timer(seconds_.expert, computes_here());
  kernels_.expert_mlp({.experts = weights.experts,
                       .tokens_per_expert = arrived.tokens_per_expert,
                       .input = arrived.rows,
                       .output = expert_out,
                       .groups = arrived.groups,
                       .shared = shared},
                      exec);
  seconds_.expert_rows += static_cast<uint64_t>(num_rows);
  return expert_out;
}

void Model::logits(TensorView rows, TensorView out, const Exec& caller) const {
  Exec exec = caller;
  exec.workspace = scratch_->workspace.span();
  const kernels::InputRows input = norm_input(
      rows, {}, weights_.output_norm, {.int16 = is_quantized(weights_.lm_head.dtype)}, exec);
  project(input, std::array{Projection{weights_.lm_head, out}}, exec);
}

}  // namespace shoal::model
