#include "kernels/cuda/any_block.cuh"
#include "kernels/cuda/any_rows.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/ops/router.h"
#include "kernels/quant/integer_row.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// A matrix of any type, or the first of several.
struct AnyMatrix {
  WeightPlanes planes;
  int64_t body_stride, head_stride;  // bytes from a row to the next
  DType dtype;
  int group, min_group;  // columns that share a scale, a minimum (0: none)
  int num_rows;

  __device__ SplitRow row(const WeightPlanes& of, int64_t index) const {
    return {of.bodies + index * body_stride, of.heads + index * head_stride};
  }
};

AnyMatrix any_matrix(const WeightView& weight) {
  const IntegerForm form = integer_form(weight.dtype);
  const int64_t blocks = weight.cols / dtype_traits(weight.dtype).block_elements;
  const auto cut = find_block_cut(weight.dtype);
  return {.planes = weight_planes(weight),
          .body_stride = cut ? blocks * cut->body_bytes() : weight.row_stride(),
          .head_stride = cut ? blocks * cut->head_bytes : 0,
          .dtype = weight.dtype,
          .group = form.group,
          .min_group = form.min_group,
          .num_rows = static_cast<int>(weight.rows)};
}

// What a 32-block adds to its lane (kernels/ops/matmul.h).
template <class Rows>
__device__ void add_block(
    const AnyMatrix& matrix, const AnyBlock& w, const RowInput& input, int64_t block, float& lane) {
  const int4* x = static_cast<const int4*>(input.values) + block * Rows::kWords;
  const float x_scale = input.scales[block];
  int sum[2];
  Rows::dot(x, w.q, sum);
  if (matrix.group == 32) {
    lane = __fmaf_rn(__fmul_rn(w.scale[0], x_scale), __int2float_rn(sum[0] + sum[1]), lane);
  } else {
    constexpr int kOnes = 0x01010101;
    int total[2] = {};
    if (matrix.min_group == 16)
      Rows::dot(x, {kOnes, kOnes, kOnes, kOnes, kOnes, kOnes, kOnes, kOnes}, total);
    for (int half = 0; half < 2; ++half) {
      lane = __fmaf_rn(__fmul_rn(w.scale[half], x_scale), __int2float_rn(sum[half]), lane);
      if (matrix.min_group == 16)
        lane = __fmaf_rn(-__fmul_rn(w.min[half], x_scale), __int2float_rn(total[half]), lane);
    }
  }
  if (matrix.min_group == 32) lane = __fmaf_rn(-w.min[0], input.sums[block], lane);
}

// One weight row, a thread a lane, times kTokens activation rows; all threads of a lane's eight get
// the sums. Whole warps call it together.
template <class Rows, int kTokens, class RowOf>
__device__ void multiply_row(const AnyMatrix& matrix,
                             const SplitRow& row,
                             const RowInput& input,
                             int num_tokens,
                             const RowOf& row_of,
                             float (&sums)[kTokens]) {
  float lanes[kTokens] = {};
  for (int j = threadIdx.x % kLanes; j < input.num_blocks; j += kLanes) {
    AnyBlock w;
    decode_any(matrix.dtype, row, j, w);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      if (t >= num_tokens) break;
      const int64_t first = static_cast<int64_t>(row_of(t)) * input.num_blocks;
      add_block<Rows>(matrix, w, input, first + j, lanes[t]);
    }
  }
#pragma unroll
  for (int t = 0; t < kTokens; ++t) sums[t] = lane_tree(lanes[t]);
}

constexpr int kThreads = 128;
constexpr int kRows = kThreads / kLanes;
constexpr int kTokens = 8;

struct DenseCall {
  AnyMatrix weight;
  RowInput input;
  float* output;  // [tokens, num_rows]
  int num_tokens;
  float scale;
};

// Grid: (rows / 16, tokens / 8).
__global__ void __launch_bounds__(kThreads) dense_kernel(const __grid_constant__ DenseCall call) {
  const int out = blockIdx.x * kRows + threadIdx.x / kLanes;
  const int begin = blockIdx.y * kTokens;
  const int num_tokens = min(kTokens, call.num_tokens - begin);
  const SplitRow row = call.weight.row(call.weight.planes, min(out, call.weight.num_rows - 1));
  wait_for_inputs();
  float sums[kTokens];
  multiply_row<Int16Rows>(
      call.weight, row, call.input, num_tokens, [begin](int t) { return begin + t; }, sums);
  if (out >= call.weight.num_rows || threadIdx.x % kLanes != 0) return;
#pragma unroll
  for (int t = 0; t < kTokens; ++t)
    if (t < num_tokens)
      call.output[static_cast<int64_t>(begin + t) * call.weight.num_rows + out] =
          __fmul_rn(call.scale, sums[t]);
}

// Scales of one matrix of every expert.
struct ExpertScales {
  float of[kMaxExperts];
};

struct AnyGateUp {
  GateUpCall call;
  AnyMatrix gate, up;
  ExpertScales gate_scales, up_scales;
};

constexpr int kExpertTokens = 4;
constexpr int kGateUpThreads = kInnerColumns * kLanes;

// Grid: (intermediate / 32, active experts).
__global__ void __launch_bounds__(kGateUpThreads)
    gate_up_kernel(const __grid_constant__ AnyGateUp any) {
  __shared__ float tile[kExpertTokens][kInnerColumns];
  wait_for_inputs();
  const GateUpCall& call = any.call;
  const ActiveRows group = call.groups.of_block();
  const int column = threadIdx.x / kLanes;
  const int index =
      min(static_cast<int>(blockIdx.x) * kInnerColumns + column, call.inner.columns - 1);
  const SplitRow gate_row = any.gate.row(call.gate.of(group.expert), index);
  const SplitRow up_row = any.up.row(call.up.of(group.expert), index);
  const int end = group.first_slot + group.num_rows;
  for (int begin = group.first_slot; begin < end; begin += kExpertTokens) {
    const int num_tokens = min(kExpertTokens, end - begin);
    const auto row_of = [&](int t) { return call.groups.row_of_slot[begin + t]; };
    float gate[kExpertTokens], up[kExpertTokens];
    multiply_row<Int8Rows>(any.gate, gate_row, call.input, num_tokens, row_of, gate);
    multiply_row<Int8Rows>(any.up, up_row, call.input, num_tokens, row_of, up);
#pragma unroll
    for (int t = 0; t < kExpertTokens; ++t)
      if (threadIdx.x % kLanes == 0)
        tile[t][column] = silu(__fmul_rn(any.gate_scales.of[group.expert], gate[t])) *
                          __fmul_rn(any.up_scales.of[group.expert], up[t]);
    __syncthreads();  // every column of the tile is written before its token's warp reads it
    if (const int token = threadIdx.x / 32; token < num_tokens)
      store_inner(call.inner, begin + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // the tile has been read before the next turn writes it
  }
}

struct AnyDown {
  DownCall call;
  AnyMatrix down;
  ExpertScales scales;
};

// Grid: (outputs / 16, active experts).
__global__ void __launch_bounds__(kThreads) down_kernel(const __grid_constant__ AnyDown any) {
  wait_for_inputs();
  const DownCall& call = any.call;
  const ActiveRows group = call.groups.of_block();
  const int out = blockIdx.x * kRows + threadIdx.x / kLanes;
  const SplitRow row = any.down.row(call.down.of(group.expert), min(out, call.num_outputs - 1));
  const int end = group.first_slot + group.num_rows;
  for (int begin = group.first_slot; begin < end; begin += kExpertTokens) {
    const int num_tokens = min(kExpertTokens, end - begin);
    float sums[kExpertTokens];
    multiply_row<Int16Rows>(
        any.down, row, call.input, num_tokens, [begin](int t) { return begin + t; }, sums);
    if (out >= call.num_outputs || threadIdx.x % kLanes != 0) continue;
#pragma unroll
    for (int t = 0; t < kExpertTokens; ++t)
      if (t < num_tokens)
        call.output[static_cast<int64_t>(begin + t) * call.num_outputs + out] =
            __fmul_rn(any.scales.of[group.expert], sums[t]);
  }
}

struct AnyTable {
  AnyMatrix weight;
  int cols;
};

// A thread block a token, a 32-block a thread.
__global__ void __launch_bounds__(kThreads)
    embed_kernel(const __grid_constant__ AnyTable table, const int32_t* ids, float* output) {
  wait_for_inputs();
  const int32_t id = ids[blockIdx.x];
  const bool known = id >= 0 && id < table.weight.num_rows;
  float* out = output + static_cast<int64_t>(blockIdx.x) * table.cols;
  for (int j = threadIdx.x; j < table.cols / 32; j += kThreads) {
    AnyBlock w;
    decode_any(table.weight.dtype, table.weight.row(table.weight.planes, known ? id : 0), j, w);
    for (int i = 0; i < 32; ++i) {
      const auto q = static_cast<int8_t>(w.q[i / 4] >> 8 * (i % 4));
      const float product = __fmul_rn(w.scale[i / table.weight.group], static_cast<float>(q));
      const int min_group = table.weight.min_group;
      const float value = min_group > 0 ? __fsub_rn(product, w.min[i / min_group]) : product;
      out[32 * j + i] = known ? value : NAN;
    }
  }
}

ExpertScales scales_of(std::span<const ExpertWeights> experts, WeightView ExpertWeights::*matrix) {
  ExpertScales scales = {};
  for (size_t e = 0; e < experts.size(); ++e) scales.of[e] = (experts[e].*matrix).scale;
  return scales;
}

device::Launch expert_launch(int outputs,
                             int outputs_a_block,
                             int threads,
                             const ExpertGrid& grid) {
  return device::Launch(
      {.grid = dim3(static_cast<unsigned>((outputs + outputs_a_block - 1) / outputs_a_block),
                    static_cast<unsigned>(grid.max_active)),
       .block = dim3(static_cast<unsigned>(threads)),
       .stream = grid.stream,
       .overlaps_previous = true});
}

}  // namespace

bool is_tuned(const WeightView& weight) {
  return find_block_cut(weight.dtype).has_value() && weight.scale == 1;
}

void multiply_any(const RowInput& input,
                  int64_t num_tokens,
                  const Projection& projection,
                  Stream stream) {
  const WeightView& weight = projection.weight;
  device::Launch({.grid = dim3(static_cast<unsigned>((weight.rows + kRows - 1) / kRows),
                               static_cast<unsigned>((num_tokens + kTokens - 1) / kTokens)),
                  .block = dim3(kThreads),
                  .stream = stream,
                  .overlaps_previous = true})(dense_kernel,
                                              DenseCall{.weight = any_matrix(weight),
                                                        .input = input,
                                                        .output = projection.output.f32(),
                                                        .num_tokens = static_cast<int>(num_tokens),
                                                        .scale = weight.scale});
}

void embed_any(const EmbedRowsParams& params, Stream stream) {
  device::Launch({.grid = dim3(static_cast<unsigned>(params.token_ids.rows())),
                  .block = dim3(kThreads),
                  .stream = stream,
                  .overlaps_previous = true})(
      embed_kernel,
      AnyTable{any_matrix(params.table), static_cast<int>(params.table.cols)},
      params.token_ids.i32(),
      params.output.f32());
}

void gate_up_any(const GateUpCall& call,
                 std::span<const ExpertWeights> experts,
                 const ExpertGrid& grid) {
  expert_launch(call.inner.columns, kInnerColumns, kGateUpThreads, grid)(
      gate_up_kernel,
      AnyGateUp{.call = call,
                .gate = any_matrix(experts.front().gate),
                .up = any_matrix(experts.front().up),
                .gate_scales = scales_of(experts, &ExpertWeights::gate),
                .up_scales = scales_of(experts, &ExpertWeights::up)});
}

void down_any(const DownCall& call,
              std::span<const ExpertWeights> experts,
              const ExpertGrid& grid) {
  expert_launch(call.num_outputs, kRows, kThreads, grid)(
      down_kernel,
      AnyDown{.call = call,
              .down = any_matrix(experts.front().down),
              .scales = scales_of(experts, &ExpertWeights::down)});
}

}  // namespace shoal::kernels::cuda
