// The ops of attention, and kernels for any head dim: a thread block a (token, query head) walks
// the splits of its keys in order. Where the workspace has room for all splits' results, each split
// gets a thread block of its own and a second launch merges them in the same order, to the same
// bits. Heads of 256 have kernels of their own (attention_call.cuh).
#include <algorithm>
#include <bit>

#include "kernels/cuda/attention_call.cuh"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/ops/composed.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// A thread a position of a split, and a thread a dimension of a head.
constexpr int kThreads = kAttentionSplit;
static_assert(kThreads >= kMaxAttentionHeadDim);

// Grid: (tokens, KV heads).
__global__ void store_kv_kernel(const __grid_constant__ AttentionCall call) {
  wait_for_inputs();
  const int64_t token = blockIdx.x;
  const int head = blockIdx.y;
  const int64_t to =
      call.cache_row(call.sequence_of(token), head, call.positions[token]) * call.head_dim;
  const int64_t from = (token * call.num_kv_heads + head) * call.head_dim;
  for (int d = threadIdx.x; d < call.head_dim; d += blockDim.x) {
    call.k_cache[to + d] = call.key[from + d];
    call.v_cache[to + d] = call.value[from + d];
  }
}

constexpr int kHeadsAThreadBlock = 4;

// Queries in place, keys and values into the cache, a warp a head.
// Grid: (ceil((query heads + 2 KV heads) / 4), tokens).
__global__ void __launch_bounds__(32 * kHeadsAThreadBlock)
    prepare_heads_kernel(const __grid_constant__ AttentionCall call,
                         const __grid_constant__ HeadsInput heads) {
  wait_for_inputs();
  int head = blockIdx.x * kHeadsAThreadBlock + threadIdx.x / 32;
  const int64_t token = blockIdx.y;
  const double position = call.positions[token];
  if (head < call.num_heads) {
    float* query = heads.call.query + (token * call.num_heads + head) * call.query_stride;
    norm_and_rotate(
        query, query, heads.call.query_weight, position, heads.call.shape, heads.frequencies);
    return;
  }
  head -= call.num_heads;
  if (head >= 2 * call.num_kv_heads) return;
  const int kv_head = head % call.num_kv_heads;
  const int64_t from = (token * call.num_kv_heads + kv_head) * call.head_dim;
  const int64_t to =
      call.cache_row(call.sequence_of(token), kv_head, call.positions[token]) * call.head_dim;
  if (head < call.num_kv_heads) {
    norm_and_rotate(call.key + from,
                    call.k_cache + to,
                    heads.call.key_weight,
                    position,
                    heads.call.shape,
                    heads.frequencies);
    return;
  }
  for (int d = threadIdx.x % 32; d < call.head_dim; d += 32)
    call.v_cache[to + d] = call.value[from + d];
}

struct Split {
  float max, sum;
  float acc;  // of dimension threadIdx.x
};

struct SplitScratch {
  float query[kMaxAttentionHeadDim];
  float weight[kAttentionSplit];
  int64_t cache_at[kAttentionSplit];
  float warp_max[kThreads / 32];
  float sum;
};

// Positions [begin, begin + count) for the query in `scratch`; all threads get max and sum.
__device__ Split run_split(const AttentionCall& call,
                           int sequence,
                           int kv_head,
                           int begin,
                           int count,
                           SplitScratch& scratch) {
  const int tid = threadIdx.x;
  if (tid < count)
    scratch.cache_at[tid] = call.cache_row(sequence, kv_head, begin + tid) * call.head_dim;
  __syncthreads();  // the query and the places are written before the dots read them
  const float scale = score_scale(call.head_dim);
  // Eight threads a position. Whole warps take part in the tree, so the last position is repeated.
  for (int first = 0; first < count; first += kThreads / kLanes) {
    const int i = first + tid / kLanes;
    const float* k = call.k_cache + scratch.cache_at[min(i, count - 1)];
    const float dot = lane_dot(scratch.query, k, call.head_dim);
    if (tid % kLanes == 0 && i < count) scratch.weight[i] = dot * scale;
  }
  __syncthreads();  // the scores are written before all read them
  const float score = scratch.weight[min(tid, count - 1)];
  const float of_warp = warp_max(score);
  if (tid % 32 == 0) scratch.warp_max[tid / 32] = of_warp;
  __syncthreads();  // each warp's maximum is written, and its scores are read
  Split split;
  split.max = scratch.warp_max[0];
  for (int w = 1; w < kThreads / 32; ++w)
    split.max = scratch.warp_max[w] > split.max ? scratch.warp_max[w] : split.max;
  if (tid < count) scratch.weight[tid] = exp_f32(score - split.max);
  __syncthreads();  // the weights are written before they are summed and used
  if (tid < 32) {
    const float sum = lane_sum(scratch.weight, count);
    if (tid == 0) scratch.sum = sum;
  }
  split.acc = 0.0f;
  if (tid < call.head_dim) {
    const float* v = call.v_cache + tid;
#pragma unroll 8
    for (int i = 0; i < count; ++i)
      split.acc = __fmaf_rn(scratch.weight[i], v[scratch.cache_at[i]], split.acc);
  }
  __syncthreads();  // the sum is written, and the scratch is free for the next split
  split.sum = scratch.sum;
  return split;
}

__device__ void merge_splits(Split& total, const Split& split) {
  total.acc =
      merge_acc(total.acc, split.acc, merge_sums(total.max, total.sum, split.max, split.sum));
}

__device__ void load_query(const AttentionCall& call, int64_t token, int head, float* query) {
  const float* from =
      call.query + (token * call.num_heads + head) * static_cast<int64_t>(call.query_stride);
  if (threadIdx.x < call.head_dim) query[threadIdx.x] = from[threadIdx.x];
}

// Whole warps: attention_mix is for head dims that are multiples of 32.
__device__ void store_total(const AttentionCall& call, int64_t head_row, const Split& total) {
  const int dim = threadIdx.x;
  if (dim >= call.head_dim) return;
  store_output(
      call, head_row, dim, total.acc * __fdiv_rn(1.0f, total.sum), load_gate(call, head_row, dim));
}

// Grid: (tokens, heads).
__global__ void __launch_bounds__(kThreads)
    attention_kernel(const __grid_constant__ AttentionCall call) {
  __shared__ SplitScratch scratch;
  wait_for_inputs();
  const int64_t token = blockIdx.x;
  const int head = blockIdx.y;
  const int kv_head = head / (call.num_heads / call.num_kv_heads);
  const int sequence = call.sequence_of(token);
  const int length = call.positions[token] + 1;
  load_query(call, token, head, scratch.query);
  Split total = run_split(call, sequence, kv_head, 0, min(length, kAttentionSplit), scratch);
  for (int begin = kAttentionSplit; begin < length; begin += kAttentionSplit) {
    const int count = min(length - begin, kAttentionSplit);
    merge_splits(total, run_split(call, sequence, kv_head, begin, count, scratch));
  }
  store_total(call, token * call.num_heads + head, total);
}

// Grid: (splits, tokens, heads).
__global__ void __launch_bounds__(kThreads)
    attention_split_kernel(const __grid_constant__ AttentionCall call) {
  __shared__ SplitScratch scratch;
  wait_for_inputs();
  const int64_t token = blockIdx.y;
  const int head = blockIdx.z;
  const int begin = blockIdx.x * kAttentionSplit;
  const int length = call.positions[token] + 1;
  if (begin >= length) return;
  load_query(call, token, head, scratch.query);
  const Split split = run_split(call,
                                call.sequence_of(token),
                                head / (call.num_heads / call.num_kv_heads),
                                begin,
                                min(length - begin, kAttentionSplit),
                                scratch);
  if (length <= kAttentionSplit) return store_total(call, token * call.num_heads + head, split);
  const int64_t at = (token * call.num_heads + head) * call.max_splits + blockIdx.x;
  if (threadIdx.x < call.head_dim) call.partial_acc[at * call.head_dim + threadIdx.x] = split.acc;
  if (threadIdx.x == 0) call.partial_max_sum[at] = make_float2(split.max, split.sum);
}

// Rows of several splits. Grid: (rows, heads).
__global__ void __launch_bounds__(kThreads)
    merge_splits_kernel(const __grid_constant__ AttentionCall call) {
  wait_for_inputs();
  const int64_t row = blockIdx.x;
  const int64_t token = call.token_of_row(row);
  if (token < 0) return;
  const int head = blockIdx.y;
  const int num_splits = call.positions[token] / kAttentionSplit + 1;
  if (num_splits == 1 || threadIdx.x >= call.head_dim) return;
  const int64_t at = (row * call.num_heads + head) * call.max_splits;
  const float* acc = call.partial_acc + at * call.head_dim + threadIdx.x;
  const float2* max_sum = call.partial_max_sum + at;
  Split total = {max_sum[0].x, max_sum[0].y, acc[0]};
#pragma unroll 8
  for (int s = 1; s < num_splits; ++s)
    merge_splits(total, {max_sum[s].x, max_sum[s].y, acc[static_cast<int64_t>(s) * call.head_dim]});
  store_total(call, token * call.num_heads + head, total);
}

AttentionCall call_of(const AttentionParams& params) {
  return {.query = params.query.f32(),
          .key = params.key.f32(),
          .value = params.value.f32(),
          .k_cache = params.cache.k,
          .v_cache = params.cache.v,
          .starts = params.sequence_starts.i32(),
          .positions = params.positions.i32(),
          .block_tables = params.block_tables,
          .output = params.output.f32(),
          .num_heads = params.num_heads,
          .num_kv_heads = params.num_kv_heads,
          .head_dim = params.head_dim,
          .query_stride = params.query_stride,
          // A divisor of kAttentionSplit, so a power of two.
          .block_bits = std::countr_zero(static_cast<unsigned>(params.cache.block_size)),
          .block_table_stride = params.block_table_stride,
          .num_sequences = params.num_sequences};
}

// Gives the call room for the splits of `num_rows` rows if there are several and the workspace has
// it. max_splits is what the block tables could hold, as the sequences' lengths are on the device.
void place_partials(int64_t num_rows, std::span<std::byte> workspace, AttentionCall& call) {
  const int64_t room = int64_t{call.block_table_stride} << call.block_bits;
  call.max_splits = static_cast<int>((room + kAttentionSplit - 1) / kAttentionSplit);
  const auto num_partials = static_cast<size_t>(num_rows * call.num_heads * call.max_splits);
  const size_t acc_bytes = num_partials * static_cast<size_t>(call.head_dim) * sizeof(float);
  if (call.max_splits < 2 || acc_bytes + num_partials * sizeof(float2) > workspace.size()) return;
  call.partial_acc = reinterpret_cast<float*>(workspace.data());
  call.partial_max_sum = reinterpret_cast<float2*>(workspace.data() + acc_bytes);
}

device::LaunchShape heads_launch(dim3 grid, Stream stream) {
  return {.grid = grid, .block = dim3(kThreads), .stream = stream, .overlaps_previous = true};
}

void launch_heads(void (*kernel)(AttentionCall),
                  dim3 grid,
                  const AttentionCall& call,
                  Stream stream) {
  device::Launch(heads_launch(grid, stream))(kernel, call);
}

void merge_rows(const AttentionCall& call, int64_t num_rows, Stream stream) {
  if (call.partial_acc == nullptr) return;
  launch_heads(merge_splits_kernel,
               dim3(static_cast<unsigned>(num_rows), static_cast<unsigned>(call.num_heads)),
               call,
               stream);
}

// One token a sequence, where a sequence has one. `heads`: as launch_decode has it.
void decode(AttentionCall call, const HeadsInput* heads, const Exec& exec) {
  call.rows_are_sequences = true;
  place_partials(call.num_sequences, exec.workspace, call);
  launch_decode(call, heads, exec.stream);
  merge_rows(call, call.num_sequences, exec.stream);
}

// Keys and values are in the cache.
void run_attention(AttentionCall call, int64_t num_rows, const Exec& exec) {
  const bool decodes =
      decodes_in_clusters(call) && (call.num_sequences > 1 || num_rows == call.num_sequences);
  if (decodes) decode(call, nullptr, exec);
  // A card without clusters decodes better by (token, query head).
  if (prefills_in_tiles(call) && (decodes || num_rows > call.num_sequences))
    return launch_prefill(call, num_rows, !decodes, exec.stream);
  const auto num_tokens = static_cast<unsigned>(num_rows);
  const auto num_heads = static_cast<unsigned>(call.num_heads);
  if (num_rows <= 65535) place_partials(num_rows, exec.workspace, call);
  if (call.partial_acc == nullptr)
    return launch_heads(attention_kernel, dim3(num_tokens, num_heads), call, exec.stream);
  launch_heads(attention_split_kernel,
               dim3(static_cast<unsigned>(call.max_splits), num_tokens, num_heads),
               call,
               exec.stream);
  merge_rows(call, num_rows, exec.stream);
}

}  // namespace

void attention(const AttentionParams& params, const Exec& exec) {
  check_attention(params);
  const AttentionCall call = call_of(params);
  device::Launch(heads_launch(
      dim3(static_cast<unsigned>(params.query.rows()), static_cast<unsigned>(params.num_kv_heads)),
      exec.stream))(store_kv_kernel, call);
  run_attention(call, params.query.rows(), exec);
}

void attention_mix(const AttentionMixParams& params, const Exec& exec) {
  const AttentionParams& attention = params.attention;
  if (attention.head_dim % 32 != 0 || params.gate.gate.data != attention.query.data)
    return composed::attention_mix<qk_norm_rope, cuda::attention, sigmoid_mul, quantize_rows>(
        params, exec);
  check_attention(attention);
  check_rotary(params.query);
  AttentionCall call = call_of(attention);
  call.gate = params.gate.gate.f32() + params.gate.gate_offset;
  call.values = static_cast<int16_t*>(params.output.int16.values);
  call.scales = params.output.int16.scales;
  call.sums = params.output.int16.sums;
  const int64_t num_rows = attention.query.rows();
  const HeadsInput heads = {
      .call = {.query_weight = params.query.weight,
               .key_weight = params.key.weight,
               .shape = {attention.head_dim, params.query.rotary_dim, params.query.epsilon},
               .query = attention.query.f32()},
      .frequencies = frequencies_of(params.query)};
  // A decode step: as many rows as sequences means one each, as in delta_mix.
  if (num_rows == call.num_sequences && decodes_in_clusters(call))
    return decode(call, &heads, exec);
  const int warps = attention.num_heads + 2 * attention.num_kv_heads;
  device::Launch(
      {.grid = dim3(static_cast<unsigned>((warps + kHeadsAThreadBlock - 1) / kHeadsAThreadBlock),
                    static_cast<unsigned>(num_rows)),
       .block = dim3(32 * kHeadsAThreadBlock),
       .stream = exec.stream,
       .overlaps_previous = true})(prepare_heads_kernel, call, heads);
  run_attention(call, num_rows, exec);
}

}  // namespace shoal::kernels::cuda
