// What the attention kernels share: one call as they see it, the places of keys and values, the
// merging of splits, and what becomes of an attended value.
//   attention.cu           the ops; kernels for any head dim, a thread block a (token, query head)
//   attention_decode.cu    one token a sequence, head dim 256: a cluster a (sequence, KV head,
//   split) attention_prefill.cu   many tokens a sequence, head dim 256: 32 (token, query head) rows
//   a tile
#pragma once
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/quantize_rows.cuh"
#include "kernels/cuda/rotary.cuh"
#include "kernels/ops/attention.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

// The head dim that the decode and prefill kernels are made for.
inline constexpr int kWideHeadDim = 256;

struct AttentionCall {
  const float* query;
  const float* key;
  const float* value;
  float* k_cache;
  float* v_cache;
  const int32_t* starts;
  const int32_t* positions;
  const int32_t* block_tables;
  float* output;
  int num_heads, num_kv_heads, head_dim, query_stride;
  int block_bits;  // positions of a block: 1 << block_bits
  int block_table_stride, num_sequences;
  // Of attention_mix: the output gate beside each query (its first head's), and the quantised
  // output. Null in the plain op.
  const float* gate = nullptr;
  int16_t* values = nullptr;
  float *scales = nullptr, *sums = nullptr;
  // Of launches over rows (decode, merging): whether row r is the only token of sequence r, and
  // there is none where the sequence has another number of tokens; else row r is token r.
  bool rows_are_sequences = false;
  // For split results, [row, head, split]; null where the splits are walked in turn.
  float* partial_acc = nullptr;  // [.., head_dim]
  float2* partial_max_sum = nullptr;
  int max_splits = 1;

  // -1: none.
  __device__ int64_t token_of_row(int64_t row) const {
    if (!rows_are_sequences) return row;
    const int64_t token = starts[row];
    return starts[row + 1] - token == 1 ? token : -1;
  }

  // Which of the cache's head_dim-wide rows a position has.
  __device__ int64_t cache_row(int sequence, int kv_head, int position) const {
    const int64_t block = block_tables[static_cast<int64_t>(sequence) * block_table_stride +
                                       (position >> block_bits)];
    const int slot = position & ((1 << block_bits) - 1);
    return ((block * num_kv_heads + kv_head) << block_bits) + slot;
  }

  // Sequences are few, so a token looks its own up.
  __device__ int sequence_of(int64_t token) const {
    int low = 0, high = num_sequences - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (starts[middle] <= token)
        low = middle;
      else
        high = middle - 1;
    }
    return low;
  }
};

// What attention_mix does to queries and keys before they are attended.
struct HeadsCall {
  const float *query_weight, *key_weight;
  HeadShape shape;
  float* query;
};

// 1 / sqrt(head_dim)
__device__ inline float score_scale(int head_dim) {
  return __fdiv_rn(1.0f, __fsqrt_rn(static_cast<float>(head_dim)));
}

struct SplitScales {
  float keep, add;
};

// Folds the next split's maximum and sum into those so far; accumulators follow by the scales.
__device__ inline SplitScales merge_sums(float& max, float& sum, float split_max, float split_sum) {
  const float larger = split_max > max ? split_max : max;
  const SplitScales scales = {exp_f32(max - larger), exp_f32(split_max - larger)};
  max = larger;
  sum = __fmaf_rn(sum, scales.keep, split_sum * scales.add);
  return scales;
}

__device__ inline float merge_acc(float acc, float split_acc, const SplitScales& scales) {
  return __fmaf_rn(acc, scales.keep, split_acc * scales.add);
}

// Of one dimension of a (token, query head): head_row = token * num_heads + head.
__device__ inline float load_gate(const AttentionCall& call, int64_t head_row, int dim) {
  return call.gate == nullptr ? 0.0f : call.gate[head_row * call.query_stride + dim];
}

// `attended` is A / L. Where the call quantises, a whole warp calls it with 32 neighbouring
// dimensions, the first a multiple of 32.
__device__ inline void store_output(
    const AttentionCall& call, int64_t head_row, int dim, float attended, float gate) {
  const int64_t at = head_row * call.head_dim + dim;
  const float value = call.gate == nullptr ? attended : attended * sigmoid(gate);
  call.output[at] = value;
  if (call.values == nullptr) return;
  const QuantizedColumn column = quantize_column(value, kInt16Limit);
  call.values[at] = static_cast<int16_t>(column.value);
  if (dim % 32 == 0) {
    call.scales[at / 32] = column.scale;
    call.sums[at / 32] = column.sum;
  }
}

// One step: threads that differ in bit kBit of their index hand each other half of their values.
template <int kBit, int kCount>
__device__ inline void add_lane_pairs(float* dots) {
  const bool upper = threadIdx.x >> kBit & 1;
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) {
    const float low = dots[i], high = dots[kCount / 2 + i];
    const float other = __shfl_xor_sync(kWholeWarp, upper ? low : high, 1 << kBit);
    dots[i] = (upper ? high : low) + other;
  }
}

// Adds the lanes of kCount dots that eight threads hold, one lane each: those that differ in bits
// kBit, kBit + 1 and kBit + 2 of their index. A step halves what a thread has left, so afterwards
// dots[0 .. kCount / 8) are the sums from first_kept_dot() on. The tree is that of lanes.h.
template <int kBit, int kCount>
__device__ inline void add_lanes(float (&dots)[kCount]) {
  add_lane_pairs<kBit, kCount>(dots);
  add_lane_pairs<kBit + 1, kCount / 2>(dots);
  add_lane_pairs<kBit + 2, kCount / 4>(dots);
}

template <int kBit, int kCount>
__device__ inline int first_kept_dot() {
  const int lane = threadIdx.x >> kBit;
  return (lane & 1) * (kCount / 2) + (lane >> 1 & 1) * (kCount / 4) +
         (lane >> 2 & 1) * (kCount / 8);
}

// Whether the wide kernels can take a call; thread block clusters are Hopper's.
bool decodes_in_clusters(const AttentionCall& call);
bool prefills_in_tiles(const AttentionCall& call);

// A row a sequence, for sequences with one token; writes partials where the call has room for
// them and a sequence has several splits. `heads` null: queries are ready, keys and values are in
// the cache. Else the call norms, rotates and stores them itself.
struct HeadsInput {
  HeadsCall call;
  Frequencies frequencies;
};
void launch_decode(const AttentionCall& call, const HeadsInput* heads, Stream stream);

// All tokens of the sequences with more than one; with `also_single`, those of the others too.
// Queries are ready, keys and values are in the cache.
void launch_prefill(const AttentionCall& call, int64_t num_tokens, bool also_single, Stream stream);

}  // namespace shoal::kernels::cuda
