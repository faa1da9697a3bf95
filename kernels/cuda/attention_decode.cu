// One token of a sequence against its cache. A cluster of eight thread blocks takes a split of a
// KV head for all query heads that share it: thread block r scores every eighth position (r, r + 8,
// ...), the scores are handed to all eight, each weighs them, and thread block r attends dimensions
// 32 r .. 32 r + 31. So a cluster reads each key and value once, an eighth in each thread block,
// all of it on its way at once, and the keys and values of earlier tokens before the query is
// known.
#include <algorithm>

#include "kernels/cuda/attention_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/row_product.cuh"
#include "runtime/device/cuda_launch.h"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define SHOAL_CLUSTER_OF(size) __cluster_dims__(size, 1, 1)
#else
#define SHOAL_CLUSTER_OF(size)
#endif

namespace shoal::kernels::cuda {
namespace {

constexpr int kDim = kWideHeadDim;
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kClusterBlocks = 8;
constexpr int kKeysABlock = kAttentionSplit / kClusterBlocks;
constexpr int kDimsABlock = kDim / kClusterBlocks;
constexpr int kMaxGroup = 32;         // query heads of a KV head
constexpr int kHeadsAWarp = 4;        // that a thread keeps sums of
constexpr int kKeyStride = kDim + 8;  // four neighbouring keys are read at once: other banks
// Several times what a card holds at once, as lengths differ; many more would mostly find no split.
constexpr int kWantedClusters = 256;
static_assert(kDimsABlock == 32, "a thread a dimension, and a block to quantise");
static_assert(kThreads == kAttentionSplit && kThreads == kDim);
static_assert(kHeadsAWarp * kWarps >= kMaxGroup);

// Followed by the queries [group, kDim] and one or two buffers of scores [group, kAttentionSplit].
struct alignas(16) DecodeShared {
  float keys[kKeysABlock * kKeyStride];
  float values[kAttentionSplit * kDimsABlock];
  float norm_weights[2][kDim];  // of queries, keys
  float key[kDim];              // the token's own
  float value[kDimsABlock];
  Rotation rotations[kDim / 2];
  float max[kMaxGroup], sum[kMaxGroup];  // of the split
  int rows[kAttentionSplit];             // of the cache
};

__device__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// All copies but those of the newest group.
__device__ void wait_for_older_copies() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }

__device__ void arrive_at_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}

__device__ void wait_for_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

// To where `own` points to, in the shared memory of the cluster's thread block `peer`.
__device__ void store_to_peer(float* own, int peer, const float4& value) {
#if __CUDA_ARCH__ >= 900
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(own));
  unsigned there;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(peer));
  asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(there),
               "f"(value.x),
               "f"(value.y),
               "f"(value.z),
               "f"(value.w)
               : "memory");
#endif
}

// One thread block's part.
struct Decode {
  const AttentionCall& call;
  DecodeShared& shared;
  float* query;
  float* weights;
  int64_t token;
  int sequence, kv_head, group, rank;
  int last;      // the token's position
  int in_cache;  // positions whose keys and values lie in the cache

  __device__ int warp() const { return threadIdx.x / 32; }
  __device__ int thread() const { return threadIdx.x % 32; }
  __device__ int64_t head_row(int head) const {
    return token * call.num_heads + kv_head * group + head;
  }

  // A barrier lies between this and the copies.
  __device__ void find_rows(int split) const {
    const int position = split * kAttentionSplit + threadIdx.x;
    if (position < in_cache)
      shared.rows[threadIdx.x] = static_cast<int>(call.cache_row(sequence, kv_head, position));
  }

  __device__ void copy_keys(int split) const {
    constexpr unsigned kPieces = kDim / 4;  // of a key, 16 bytes each
    const int count = in_cache - split * kAttentionSplit;
    const unsigned first = threadIdx.x / kPieces, piece = threadIdx.x % kPieces;
    const float* from = call.k_cache + 4 * piece;
    float* to = shared.keys + first * kKeyStride + 4 * piece;
#pragma unroll
    for (int i = 0; i < kKeysABlock; i += kThreads / kPieces) {
      const int at = (first + i) * kClusterBlocks + rank;
      if (at < count)
        copy_16_async(to + i * kKeyStride, from + static_cast<int64_t>(shared.rows[at]) * kDim);
    }
    commit_copies();
  }

  __device__ void copy_values(int split) const {
    constexpr unsigned kPieces = kDimsABlock / 4;
    const int count = in_cache - split * kAttentionSplit;
    const unsigned first = threadIdx.x / kPieces, piece = threadIdx.x % kPieces;
    const float* from = call.v_cache + rank * kDimsABlock + 4 * piece;
    float* to = shared.values + 4 * threadIdx.x;
#pragma unroll
    for (int i = 0; i < kAttentionSplit; i += kThreads / kPieces) {
      const int at = first + i;
      if (at < count)
        copy_16_async(to + i * kDimsABlock, from + static_cast<int64_t>(shared.rows[at]) * kDim);
    }
    commit_copies();
  }

  __device__ void load_query() const {
    constexpr unsigned kPieces = kDim / 4;
    const unsigned piece = threadIdx.x % kPieces;
    for (int head = threadIdx.x / kPieces; head < group; head += kThreads / kPieces) {
      const float* from = call.query + head_row(head) * call.query_stride;
      reinterpret_cast<float4*>(query + head * kDim)[piece] =
          __ldcg(reinterpret_cast<const float4*>(from) + piece);
    }
  }

  // The token's own key and value: whole in thread block last % 8, a slice in each.
  __device__ bool owns_key() const { return last % kClusterBlocks == rank; }
  __device__ void load_key_and_value() const {
    const int64_t from = (token * call.num_kv_heads + kv_head) * kDim;
    if (owns_key()) shared.key[threadIdx.x] = call.key[from + threadIdx.x];
    if (threadIdx.x >= kDimsABlock) return;
    const int dim = rank * kDimsABlock + threadIdx.x;
    const float value = call.value[from + dim];
    shared.value[threadIdx.x] = value;
    call.v_cache[call.cache_row(sequence, kv_head, last) * kDim + dim] = value;
  }

  __device__ void prepare_heads(const HeadShape& shape, bool with_key) const {
    const auto rotation_of = [this](int i) { return shared.rotations[i]; };
    for (int head = warp(); head < group; head += kWarps) {
      float* own = query + head * kDim;
      norm_and_rotate(own, own, shared.norm_weights[0], shape, rotation_of);
    }
    if (!with_key || warp() != group % kWarps) return;
    norm_and_rotate(shared.key, shared.key, shared.norm_weights[1], shape, rotation_of);
    __syncwarp();  // the warp's threads have written the key before others of them read it
    float* to = call.k_cache + call.cache_row(sequence, kv_head, last) * kDim;
    for (int d = thread(); d < kDim; d += 32) to[d] = shared.key[d];
  }

  // The token's own key and value to where the split's others are.
  __device__ void place_own() const {
    const int at = last % kAttentionSplit;
    if (owns_key())
      shared.keys[at / kClusterBlocks * kKeyStride + threadIdx.x] = shared.key[threadIdx.x];
    if (threadIdx.x < kDimsABlock)
      shared.values[at * kDimsABlock + threadIdx.x] = shared.value[threadIdx.x];
  }

  // Of this thread block's keys, to scores[head, rank, key]; those past the end are not looked at.
  __device__ void score(float* scores) const {
    const float scale = score_scale(kDim);
    const int lane = thread() % kLanes;
    for (int unit = warp(); unit < 2 * ((group + 3) / 4); unit += kWarps) {
      const int first_head = unit / 2 * 4;
      const int first_key = unit % 2 * (kKeysABlock / 2) + thread() / kLanes;
      const float* k = shared.keys + first_key * kKeyStride + lane;
      const float* q[4];
#pragma unroll
      for (int h = 0; h < 4; ++h) q[h] = query + min(first_head + h, group - 1) * kDim + lane;
      float dots[16] = {};  // [head, every fourth key]
#pragma unroll 8
      for (int d = 0; d < kDim; d += kLanes) {
        float key[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) key[j] = k[4 * j * kKeyStride + d];
#pragma unroll
        for (int h = 0; h < 4; ++h)
#pragma unroll
          for (int j = 0; j < 4; ++j) dots[4 * h + j] = __fmaf_rn(q[h][d], key[j], dots[4 * h + j]);
      }
      add_lanes<0>(dots);
      const int kept = first_kept_dot<0, 16>();
      const int head = first_head + kept / 4;
      if (head >= group) continue;
      float* to = scores + head * kAttentionSplit + rank * kKeysABlock + first_key;
#pragma unroll
      for (int i = 0; i < 2; ++i) to[4 * (kept % 4 + i)] = dots[i] * scale;
    }
  }

  __device__ void share_scores(float* scores) const {
    constexpr unsigned kPieces = kKeysABlock / 4;  // of a head
    const unsigned piece = threadIdx.x % kPieces;
    const int peer = threadIdx.x / kPieces % kClusterBlocks;
    if (peer == rank) return;
    constexpr int kAtOnce = kThreads / (kPieces * kClusterBlocks);
    for (int head = threadIdx.x / (kPieces * kClusterBlocks); head < group; head += kAtOnce) {
      float* own = scores + head * kAttentionSplit + rank * kKeysABlock + 4 * piece;
      store_to_peer(own, peer, *reinterpret_cast<const float4*>(own));
    }
  }

  // Scores [head, rank, key] become weights [head, position].
  __device__ void weigh(float* scores, int count) const {
    for (int head = warp(); head < group; head += kWarps) {
      float* own = scores + head * kAttentionSplit;
      float weight[kClusterBlocks];
      float largest = -INFINITY;
#pragma unroll
      for (int r = 0; r < kClusterBlocks; ++r) {
        weight[r] = own[r * kKeysABlock + thread()];
        if (thread() * kClusterBlocks + r < count && weight[r] > largest) largest = weight[r];
      }
      largest = warp_max(largest);
#pragma unroll
      for (int r = 0; r < kClusterBlocks; ++r) weight[r] = exp_f32(weight[r] - largest);
      __syncwarp();  // the head's scores have been read before weights replace them
      auto* to = reinterpret_cast<float4*>(own) + 2 * thread();
      to[0] = make_float4(weight[0], weight[1], weight[2], weight[3]);
      to[1] = make_float4(weight[4], weight[5], weight[6], weight[7]);
      __syncwarp();  // the weights are written before they are summed
      const float sum = lane_sum(own, count);
      if (thread() == 0) {
        shared.max[head] = largest;
        shared.sum[head] = sum;
      }
    }
  }

  // Heads past the group's last repeat it, and store the same.
  __device__ void store_partial(int head, int split, float acc, const float2& max_sum) const {
    const int64_t row_head =
        static_cast<int64_t>(sequence) * call.num_heads + kv_head * group + head;
    const int64_t at = row_head * call.max_splits + split;
    call.partial_acc[at * kDim + rank * kDimsABlock + thread()] = acc;
    if (rank == 0 && thread() == 0) call.partial_max_sum[at] = max_sum;
  }

  // This thread's dimension of the warp's heads.
  __device__ void attend(const float* scores, int count, float (&acc)[kHeadsAWarp]) const {
    const float* w[kHeadsAWarp];
#pragma unroll
    for (int h = 0; h < kHeadsAWarp; ++h) {
      w[h] = scores + min(warp() * kHeadsAWarp + h, group - 1) * kAttentionSplit;
      acc[h] = 0.0f;
    }
    const float* v = shared.values + thread();
    int i = 0;
#pragma unroll 4
    for (; i + 4 <= count; i += 4) {
      float value[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) value[j] = v[(i + j) * kDimsABlock];
#pragma unroll
      for (int h = 0; h < kHeadsAWarp; ++h) {
        const float4 four = *reinterpret_cast<const float4*>(w[h] + i);
        acc[h] = __fmaf_rn(four.x, value[0], acc[h]);
        acc[h] = __fmaf_rn(four.y, value[1], acc[h]);
        acc[h] = __fmaf_rn(four.z, value[2], acc[h]);
        acc[h] = __fmaf_rn(four.w, value[3], acc[h]);
      }
    }
    for (; i < count; ++i)
#pragma unroll
      for (int h = 0; h < kHeadsAWarp; ++h) acc[h] = __fmaf_rn(w[h][i], v[i * kDimsABlock], acc[h]);
  }
};

// Grid: (8 * walkers, KV heads, sequences). Cluster w of a KV head walks splits w, w + walkers, ...
// and leaves their results for the merge; one walker alone merges as it goes. Scores have two
// buffers where a walker may have several splits.
template <bool kPrepares>
__global__ void SHOAL_CLUSTER_OF(kClusterBlocks) __launch_bounds__(kThreads, 2)
    decode_kernel(const __grid_constant__ AttentionCall call,
                  const __grid_constant__ HeadsInput heads) {
  extern __shared__ float4 memory[];
  if constexpr (!kPrepares) wait_for_inputs();
  auto& shared = *reinterpret_cast<DecodeShared*>(memory);
  const int group = call.num_heads / call.num_kv_heads;
  const int sequence = static_cast<int>(blockIdx.z);
  const int num_walkers = static_cast<int>(gridDim.x) / kClusterBlocks;
  const int first_split = static_cast<int>(blockIdx.x) / kClusterBlocks;
  // Batch arrays are older than the launch before this one (dependent_launch.cuh), and so is the
  // cache but for the token's own key and value.
  const int64_t token = call.token_of_row(sequence);
  const int last = token < 0 ? -1 : call.positions[token];
  const int num_splits = last / kAttentionSplit + 1;
  if (last < 0 || first_split >= num_splits) {
    if constexpr (kPrepares) wait_for_inputs();
    return;
  }
  arrive_at_cluster();
  float* query = reinterpret_cast<float*>(&shared + 1);
  const Decode part = {.call = call,
                       .shared = shared,
                       .query = query,
                       .weights = query + group * kDim,
                       .token = token,
                       .sequence = sequence,
                       .kv_head = static_cast<int>(blockIdx.y),
                       .group = group,
                       .rank = static_cast<int>(blockIdx.x) % kClusterBlocks,
                       .last = last,
                       .in_cache = kPrepares ? last : last + 1};
  part.find_rows(first_split);
  if constexpr (kPrepares) {
    shared.norm_weights[0][threadIdx.x] = heads.call.query_weight[threadIdx.x];
    shared.norm_weights[1][threadIdx.x] = heads.call.key_weight[threadIdx.x];
  }
  __syncthreads();  // the rows are written before all copy from them
  part.copy_keys(first_split);
  part.copy_values(first_split);
  const bool with_own = kPrepares && (num_splits - 1 - first_split) % num_walkers == 0;
  if constexpr (kPrepares) {
    if (threadIdx.x < heads.call.shape.rotary_dim / 2)
      shared.rotations[threadIdx.x] =
          rotation_by(static_cast<double>(last) * heads.frequencies.value[threadIdx.x]);
    wait_for_inputs();
  }
  part.load_query();
  if constexpr (kPrepares) {
    if (with_own) part.load_key_and_value();
    __syncthreads();  // rotations, queries and key are written before the warps prepare them
    part.prepare_heads(heads.call.shape, with_own && part.owns_key());
  }
  const int score_floats = group * kAttentionSplit;
  // The sums of a warp's heads, and this thread's dimension of them.
  const int warp = threadIdx.x / 32, thread = threadIdx.x % 32;
  const int first_head = warp * kHeadsAWarp;
  const int dim = part.rank * kDimsABlock + thread;
  float total[kHeadsAWarp], max[kHeadsAWarp], sum[kHeadsAWarp], gate[kHeadsAWarp];
  const bool stores = num_walkers == 1 || num_splits == 1;
#pragma unroll
  for (int h = 0; h < kHeadsAWarp; ++h)
    gate[h] = stores && first_head + h < group ? load_gate(call, part.head_row(first_head + h), dim)
                                               : 0.0f;
  __syncthreads();  // the queries and the token's own key are whole
  for (int split = first_split; split < num_splits; split += num_walkers) {
    const int next = split + num_walkers;
    const bool more = next < num_splits;
    const int count = min(last + 1 - split * kAttentionSplit, kAttentionSplit);
    float* scores = part.weights + split / num_walkers % 2 * score_floats;
    if (with_own && split + 1 == num_splits) part.place_own();
    wait_for_older_copies();
    __syncthreads();  // everybody's copies of keys have landed, and the own key is in its place
    if (more) part.find_rows(next);  // the copies of this split's values have begun
    part.score(scores);
    __syncthreads();  // this thread block's scores are whole, and its keys have been read
    // All thread blocks have begun, so that they can be written to.
    if (split == first_split) wait_for_cluster();
    part.share_scores(scores);
    arrive_at_cluster();
    if (more)
      part.copy_keys(next);
    else
      commit_copies();
    // All eight parts of the scores are here. Nobody is past this before all have read the scores
    // of the split before, whose buffer is the next to be written.
    wait_for_cluster();
    part.weigh(scores, count);
    wait_for_older_copies();
    __syncthreads();  // weights are written and everybody's copies of values have landed
    if (first_head < group) {
      float acc[kHeadsAWarp];
      part.attend(scores, count, acc);
#pragma unroll
      for (int h = 0; h < kHeadsAWarp; ++h) {
        const int head = min(first_head + h, group - 1);
        const float2 max_sum = make_float2(shared.max[head], shared.sum[head]);
        if (!stores) {
          part.store_partial(head, split, acc[h], max_sum);
        } else if (split == 0) {
          max[h] = max_sum.x;
          sum[h] = max_sum.y;
          total[h] = acc[h];
        } else {
          total[h] = merge_acc(total[h], acc[h], merge_sums(max[h], sum[h], max_sum.x, max_sum.y));
        }
      }
    }
    __syncthreads();  // values, maxima and sums have been read before the next split's come
    if (more) part.copy_values(next);
  }
  if (!stores) return;
#pragma unroll
  for (int h = 0; h < kHeadsAWarp; ++h) {
    const int head = first_head + h;
    if (head >= group) break;
    store_output(call, part.head_row(head), dim, total[h] * __fdiv_rn(1.0f, sum[h]), gate[h]);
  }
}

}  // namespace

bool decodes_in_clusters(const AttentionCall& call) {
  return device::has_dependent_launch() && call.head_dim == kDim && call.query_stride % 4 == 0 &&
         call.num_heads / call.num_kv_heads <= kMaxGroup && call.num_kv_heads <= 65535 &&
         call.num_sequences <= 65535;
}

void launch_decode(const AttentionCall& call, const HeadsInput* heads, Stream stream) {
  const int group = call.num_heads / call.num_kv_heads;
  const int64_t row_heads = int64_t{call.num_kv_heads} * call.num_sequences;
  const auto wanted = static_cast<int>((kWantedClusters + row_heads - 1) / row_heads);
  const int num_walkers = call.partial_acc == nullptr ? 1 : std::min(call.max_splits, wanted);
  const int score_buffers = num_walkers < call.max_splits ? 2 : 1;
  const size_t shared_bytes =
      sizeof(DecodeShared) + static_cast<size_t>(group) * sizeof(float) *
                                 static_cast<size_t>(kDim + score_buffers * kAttentionSplit);
  const device::Launch launch({.grid = dim3(static_cast<unsigned>(kClusterBlocks * num_walkers),
                                            static_cast<unsigned>(call.num_kv_heads),
                                            static_cast<unsigned>(call.num_sequences)),
                               .block = dim3(kThreads),
                               .stream = stream,
                               .shared_bytes = shared_bytes,
                               .overlaps_previous = true});
  if (heads == nullptr)
    launch(decode_kernel<false>, call, HeadsInput{});
  else
    launch(decode_kernel<true>, call, *heads);
}

}  // namespace shoal::kernels::cuda
