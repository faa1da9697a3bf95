// delta_mix for sequences of any lengths, in three launches. Only the recurrence walks tokens in
// order; what does not depend on the state is worked out for all tokens at once, before it
// (convolution, norms, gates) and after it (gated norm, quantisation).
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/delta_step.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/quantize_rows.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// Between the launches: `mixed` holds q and k as the recurrence reads them, a lane's elements
// together, and v. The gates lie [V head, token] in the scales and sums of the output, which the
// last launch overwrites.
__device__ float* decay_row(const DeltaMixCall& call, int head) {
  return call.scales + static_cast<int64_t>(head) * call.delta.num_tokens;
}
__device__ float* beta_row(const DeltaMixCall& call, int head) {
  return call.sums + static_cast<int64_t>(head) * call.delta.num_tokens;
}

constexpr int kInputTokens = 16;  // of a thread block

struct Sequence {
  int index, begin, end;

  // The one that token t lies in; empty ones lie before it.
  __device__ static Sequence of(const DeltaNetCall& call, int t) {
    int low = 0, high = call.num_sequences;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (call.starts[middle] <= t)
        low = middle;
      else
        high = middle;
    }
    return {low, call.starts[low], call.starts[low + 1]};
  }
  __device__ void advance_to(const DeltaNetCall& call, int t) {
    while (t >= end) {
      ++index;
      begin = end;
      end = call.starts[index + 1];
    }
  }
};

// Convolution, norms of q and k, gates. Grid: (heads of Q, K and V, tokens / 16), a thread a
// channel.
template <int kDim>
__global__ void __launch_bounds__(kDim)
    delta_inputs_kernel(const __grid_constant__ DeltaMixCall call) {
  __shared__ float rows[kInputTokens][kDim + kLanes];  // neighbouring rows in different banks
  __shared__ float inverse[kInputTokens];
  const DeltaNetCall& delta = call.delta;
  const int unit = blockIdx.x, j = threadIdx.x, first = blockIdx.y * kInputTokens;
  const int num_tokens = delta.num_tokens;
  const int64_t channels = delta.mixed_cols(), c = static_cast<int64_t>(unit) * kDim + j;
  const float4 weight = reinterpret_cast<const float4*>(call.conv_weight)[c];
  wait_for_inputs();
  float u[kInputTokens + kMixHistory];
#pragma unroll
  for (int r = 0; r < kInputTokens + kMixHistory; ++r) {
    const int t = first + r - kMixHistory;
    u[r] = t >= 0 && t < num_tokens ? call.conv_input[t * channels + c] : 0.0f;
  }
  Sequence sequence = Sequence::of(delta, first);
  float y[kInputTokens];
#pragma unroll
  for (int r = 0; r < kInputTokens; ++r) {
    const int t = first + r;
    if (t >= num_tokens) break;
    sequence.advance_to(delta, t);
    float oldest = u[r], older = u[r + 1], old = u[r + 2];
    const int seen = t - sequence.begin;
    if (seen < kMixHistory) {
      const float* history =
          call.conv_state + delta.slots[sequence.index] * kMixHistory * channels + c;
      oldest = history[seen * channels];
      if (seen < 2) older = history[(seen + 1) * channels];
      if (seen < 1) old = history[(seen + 2) * channels];
    }
    float sum = __fmaf_rn(weight.x, oldest, 0.0f);
    sum = __fmaf_rn(weight.y, older, sum);
    sum = __fmaf_rn(weight.z, old, sum);
    y[r] = silu(__fmaf_rn(weight.w, u[r + kMixHistory], sum));
  }
  float* mixed = call.mixed + first * channels;
  const int count = min(kInputTokens, num_tokens - first);
  const int head = unit - 2 * delta.num_k_heads;
  if (head >= 0) {
#pragma unroll
    for (int r = 0; r < kInputTokens; ++r)
      if (r < count) mixed[r * channels + c] = y[r];
    const int token = j % 32;
    if (token >= count) return;
    if (j < 32)
      decay_row(call, head)[first + token] = load_decay(delta, first + token, head);
    else if (j < 64)
      beta_row(call, head)[first + token] = load_beta(delta, first + token, head);
    return;
  }
#pragma unroll
  for (int r = 0; r < kInputTokens; ++r) rows[r][j] = r < count ? y[r] : 0.0f;
  __syncthreads();  // the heads are whole before they are summed
  for (int r = j / kLanes; r < kInputTokens; r += kDim / kLanes) {
    const float sum = lane_dot(rows[r], rows[r], kDim);
    if (j % kLanes == 0) inverse[r] = norm_inverse(sum, delta.epsilon);
  }
  __syncthreads();  // the norms are written before all read them
  const bool is_query = unit < delta.num_k_heads;
  float* out = mixed + static_cast<int64_t>(unit) * kDim + j % kStateLanes * (kDim / kStateLanes) +
               j / kStateLanes;
#pragma unroll
  for (int r = 0; r < kInputTokens; ++r) {
    if (r >= count) break;
    const float unit_value = y[r] * inverse[r];
    out[r * channels] = is_query ? unit_value * q_scale(kDim) : unit_value;
  }
}

// Tokens come into shared memory in groups, two groups ahead of the one after the current, into
// the place of the group before the current.
constexpr int kThreads = 128;
constexpr int kColumns = kThreads / kStateLanes;  // of a thread block
constexpr int kGroup = 8;
constexpr int kRing = 4 * kGroup;

template <int kDim>
struct RecurrenceShared {
  LaneVector<kDim> q[kRing], k[kRing];
  alignas(16) float v[kRing][kColumns];
  float decay[kRing], beta[kRing];
};

// One thread block's columns of a head of a sequence.
struct Block {
  int head, k_head, column;
  int begin, count;  // tokens
};

template <int kDim>
__device__ void copy_group(const DeltaMixCall& call,
                           const Block& block,
                           int group,
                           RecurrenceShared<kDim>& to) {
  constexpr int kPieces = kDim / 4, kPiecesALane = kPieces / kStateLanes;
  constexpr int kValuePieces = kColumns / 4;
  const DeltaNetCall& delta = call.delta;
  const int64_t channels = delta.mixed_cols();
  const int first = group * kGroup, count = block.count - first;
  const float* mixed = call.mixed + (block.begin + first) * channels;
  const float* q = mixed + block.k_head * kDim;
  const float* k = q + delta.num_k_heads * kDim;
  const float* v = mixed + (2 * delta.num_k_heads + block.head) * kDim + block.column;
#pragma unroll
  for (int i = threadIdx.x; i < kGroup * kPieces; i += kThreads) {
    const int r = i / kPieces, piece = i % kPieces;
    if (r >= count) continue;
    const int slot = (first + r) % kRing;
    const int lane = piece / kPiecesALane, m = 4 * (piece % kPiecesALane);
    copy_16_async(&to.q[slot].lanes[lane][m], q + r * channels + 4 * piece);
    copy_16_async(&to.k[slot].lanes[lane][m], k + r * channels + 4 * piece);
  }
  const int i = threadIdx.x;
  static_assert(kGroup * kValuePieces + 2 * kGroup <= kThreads);
  if (i < kGroup * kValuePieces) {
    const int r = i / kValuePieces, piece = i % kValuePieces;
    if (r < count)
      copy_16_async(&to.v[(first + r) % kRing][4 * piece], v + r * channels + 4 * piece);
  } else if (i < kGroup * kValuePieces + 2 * kGroup) {
    const int r = i % kGroup, slot = (first + r) % kRing;
    if (r >= count) return;
    const int t = block.begin + first + r;
    if (i < kGroup * kValuePieces + kGroup)
      copy_4_async(&to.decay[slot], decay_row(call, block.head) + t);
    else
      copy_4_async(&to.beta[slot], beta_row(call, block.head) + t);
  }
}

// The convolution's history after the sequence's tokens, channels shared out over its thread
// blocks. The launch before this one has read the history.
__device__ void store_history(const DeltaMixCall& call, const Block& block, int64_t slot) {
  const int64_t channels = call.delta.mixed_cols();
  const int64_t threads = static_cast<int64_t>(gridDim.x) * gridDim.y * kThreads;
  const int64_t own =
      static_cast<int64_t>(blockIdx.y * gridDim.x + blockIdx.x) * kThreads + threadIdx.x;
  for (int64_t c = own; c < channels; c += threads) {
    float* history = call.conv_state + slot * kMixHistory * channels + c;
    float after[kMixHistory];
#pragma unroll
    for (int row = 0; row < kMixHistory; ++row) {
      const int t = block.count - kMixHistory + row;
      after[row] = t >= 0 ? call.conv_input[(block.begin + t) * channels + c]
                          : history[(t + kMixHistory) * channels];
    }
#pragma unroll
    for (int row = 0; row < kMixHistory; ++row) history[row * channels] = after[row];
  }
}

// What a thread holds of its column and its lane: the state, and the vectors of the tokens at hand,
// which are replaced, four elements at a time, as soon as they are used.
template <int kDim>
class Column {
 public:
  static constexpr int kRows = kDim / kStateLanes;

  __device__ Column(const DeltaMixCall& call, const Block& block, float* state)
      : lane_(state_lane()),
        own_(threadIdx.x / 32 * kThreadsALane + threadIdx.x % kThreadsALane),
        count_(block.count),
        zero_(call.delta.dim >> 16),
        state_(state + lane_ * kDim + block.column + own_),
        output_(call.f32 +
                (static_cast<int64_t>(block.begin) * call.delta.num_v_heads + block.head) * kDim +
                block.column + own_),
        output_stride_(call.delta.num_v_heads * kDim) {
#pragma unroll
    for (int m = 0; m < kRows; ++m) s_[m] = state_[m * kStateLanes * kDim];
  }

  __device__ void start(const RecurrenceShared<kDim>& shared) {
#pragma unroll
    for (int m = 0; m < kRows / 4; ++m) {
      set(q_, m, shared.q[0].four(lane_, m));
      set(k_[0], m, shared.k[0].four(lane_, m));
      set(k_[1], m, shared.k[1].four(lane_, m));
    }
    v_ = shared.v[0][own_];
    beta_ = shared.beta[0];
    decay_ = shared.decay[1];
    const float decay = shared.decay[0];
    p_ = 0.0f;
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      s_[m] = decay * s_[m];
      p_ = __fmaf_rn(s_[m], k_[0][m], p_);
    }
  }

  // Token t, whose k is k_[kParity], from its decayed state and p to those of the next. Behind the
  // last token, the decay is one and p nothing that counts.
  template <int kParity>
  __device__ void step(const RecurrenceShared<kDim>& shared, int t) {
    const int next = (t + 1) % kRing, after = (t + 2) % kRing;
    const float e = beta_ * (v_ - state_tree(p_));
    store_output(t);
    const float decay = t + 1 < count_ ? decay_ : 1.0f;
    v_ = shared.v[next][own_];
    beta_ = shared.beta[next];
    decay_ = shared.decay[after];
    o_ = 0.0f;
    p_ = 0.0f;
#pragma unroll
    for (int m = 0; m < kRows; m += 4) {
      // Adds nothing. Left to itself the compiler puts o's chain before p's and both wait for every
      // sum; so that they go side by side, each part of o's seems to need p's part before.
      if (m > 0) o_ = __int_as_float(__float_as_int(o_) | (__float_as_int(p_) & zero_));
#pragma unroll
      for (int i = m; i < m + 4; ++i) {
        s_[i] = __fmaf_rn(k_[kParity][i], e, s_[i]);
        o_ = __fmaf_rn(s_[i], q_[i], o_);
        s_[i] = decay * s_[i];
        p_ = __fmaf_rn(s_[i], k_[1 - kParity][i], p_);
      }
      set(q_, m / 4, shared.q[next].four(lane_, m / 4));
      set(k_[kParity], m / 4, shared.k[after].four(lane_, m / 4));
    }
  }

  __device__ void finish() {
    store_output(count_);
#pragma unroll
    for (int m = 0; m < kRows; ++m) state_[m * kStateLanes * kDim] = s_[m];
  }

 private:
  // Of the token before t, where there is one; one step late, so that its tree goes on beside p's.
  __device__ void store_output(int t) {
    const float o = state_tree(o_);
    if (t == 0) return;
    if (lane_ == 0) *output_ = o;
    output_ += output_stride_;
  }

  __device__ static void set(float (&vector)[kRows], int m, const float4& four) {
    vector[4 * m] = four.x;
    vector[4 * m + 1] = four.y;
    vector[4 * m + 2] = four.z;
    vector[4 * m + 3] = four.w;
  }

  float s_[kRows];
  float q_[kRows];     // of the token at hand
  float k_[2][kRows];  // of it and the next
  float v_, beta_;     // of it
  float decay_;        // of the next
  float p_;            // of it, before the tree
  float o_ = 0.0f;     // of the one before it, before the tree
  int lane_, own_;     // own_: column in the thread block
  int count_;
  int zero_;  // 0, which the compiler cannot know
  float* state_;
  float* output_;
  int output_stride_;
};

// Grid: (columns / 32, V heads, sequences).
template <int kDim>
__global__ void __launch_bounds__(kThreads, 2)
    delta_recurrence_kernel(const __grid_constant__ DeltaMixCall call) {
  __shared__ RecurrenceShared<kDim> shared;
  const DeltaNetCall& delta = call.delta;
  wait_for_inputs();
  const Block block = {.head = static_cast<int>(blockIdx.y),
                       .k_head = static_cast<int>(blockIdx.y) % delta.num_k_heads,
                       .column = static_cast<int>(blockIdx.x) * kColumns,
                       .begin = delta.starts[blockIdx.z],
                       .count = delta.starts[blockIdx.z + 1] - delta.starts[blockIdx.z]};
  if (block.count == 0) return;
  for (int group = 0; group < 3; ++group) {
    copy_group(call, block, group, shared);
    end_copy_group();
  }
  const int64_t slot = delta.slots[blockIdx.z];
  Column<kDim> column(
      call, block, delta.state + (slot * delta.num_v_heads + block.head) * kDim * kDim);
  store_history(call, block, slot);
  await_copy_groups<1>();
  __syncthreads();  // groups 0 and 1 are there for all threads
  column.start(shared);
  for (int first = 0; first < block.count; first += kGroup) {
    if (first > 0) {
      await_copy_groups<1>();
      // The group after this one is there for all threads, and none still reads the one before,
      // whose place the copies below take.
      __syncthreads();
    }
    copy_group(call, block, first / kGroup + 3, shared);
    end_copy_group();
    const int end = min(first + kGroup, block.count);
#pragma unroll 1
    for (int t = first; t < end; t += 2) {
      column.template step<0>(shared, t);
      if (t + 1 < end) column.template step<1>(shared, t + 1);
    }
  }
  column.finish();
}

constexpr int kNormThreads = 256;
constexpr int kThreadsABlock = 8;  // of a 32-block: a thread takes four columns

// Gated norm and quantisation, four columns a thread, 128 a warp. Heads do not straddle warps.
template <int kDim>
__global__ void __launch_bounds__(kNormThreads)
    delta_outputs_kernel(const __grid_constant__ DeltaMixCall call) {
  __shared__ float4 columns[kNormThreads];
  const DeltaNetCall& delta = call.delta;
  wait_for_inputs();
  const int64_t at = 4 * (static_cast<int64_t>(blockIdx.x) * kNormThreads + threadIdx.x);
  const int64_t size = static_cast<int64_t>(delta.num_tokens) * delta.num_v_heads * kDim;
  const bool inside = at < size;  // threads of a warp may differ: num_v_heads may be odd
  const float4 x = inside ? *reinterpret_cast<const float4*>(call.f32 + at) : float4{};
  const float4 g = inside ? *reinterpret_cast<const float4*>(call.gate + at) : float4{};
  const float4 w = reinterpret_cast<const float4*>(call.norm_weight)[threadIdx.x % (kDim / 4)];
  columns[threadIdx.x] = x;
  __syncwarp();  // the warp's heads are whole before they are summed
  const auto* head =
      reinterpret_cast<const float*>(columns + threadIdx.x / (kDim / 4) * (kDim / 4));
  const float scale = head_scale(lane_dot(head, head, kDim), kDim, call.norm_epsilon);
  const float4 y = {((x.x * scale) * w.x) * silu(g.x),
                    ((x.y * scale) * w.y) * silu(g.y),
                    ((x.z * scale) * w.z) * silu(g.z),
                    ((x.w * scale) * w.w) * silu(g.w)};
  float largest = fmaxf(fmaxf(fabsf(y.x), fabsf(y.y)), fmaxf(fabsf(y.z), fabsf(y.w)));
#pragma unroll
  for (int step = 1; step < kThreadsABlock; step *= 2)
    largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, step));
  const float inverse = __fdiv_rn(kInt16Limit, largest);
  const bool zero = isinf(inverse);
  const auto value = [&](float x) { return zero ? 0 : clamped_integer(x * inverse, kInt16Limit); };
  const int4 q = {value(y.x), value(y.y), value(y.z), value(y.w)};
  int total = q.x + q.y + q.z + q.w;
#pragma unroll
  for (int step = 1; step < kThreadsABlock; step *= 2)
    total += __shfl_xor_sync(kWholeWarp, total, step);
  if (!inside) return;
  *reinterpret_cast<float4*>(call.f32 + at) = y;
  *reinterpret_cast<short4*>(call.values + at) = {static_cast<int16_t>(q.x),
                                                  static_cast<int16_t>(q.y),
                                                  static_cast<int16_t>(q.z),
                                                  static_cast<int16_t>(q.w)};
  if (threadIdx.x % kThreadsABlock == 0) {
    const float scale_of_block = zero ? 0.0f : __fdiv_rn(largest, kInt16Limit);
    call.scales[at / 32] = scale_of_block;
    call.sums[at / 32] = zero ? 0.0f : scale_of_block * __int2float_rn(total);
  }
}

unsigned ceiling(int64_t count, int64_t each) {
  return static_cast<unsigned>((count + each - 1) / each);
}

template <int kDim>
void launch(const DeltaMixCall& call, Stream stream) {
  static_assert(kDim >= 32, "scales and sums have room for a number a head");
  const DeltaNetCall& delta = call.delta;
  const auto v_heads = static_cast<unsigned>(delta.num_v_heads);
  const unsigned units = 2 * static_cast<unsigned>(delta.num_k_heads) + v_heads;
  device::Launch({.grid = dim3(units, ceiling(delta.num_tokens, kInputTokens)),
                  .block = dim3(kDim),
                  .stream = stream,
                  .overlaps_previous = true})(delta_inputs_kernel<kDim>, call);
  device::Launch(
      {.grid = dim3(kDim / kColumns, v_heads, static_cast<unsigned>(delta.num_sequences)),
       .block = dim3(kThreads),
       .stream = stream,
       .overlaps_previous = true})(delta_recurrence_kernel<kDim>, call);
  const int64_t size = int64_t{delta.num_tokens} * delta.num_v_heads * kDim;
  device::Launch({.grid = dim3(ceiling(size, 4 * kNormThreads)),
                  .block = dim3(kNormThreads),
                  .stream = stream,
                  .overlaps_previous = true})(delta_outputs_kernel<kDim>, call);
}

}  // namespace

void launch_delta_prefill(const DeltaMixCall& call, Stream stream) {
  if (call.delta.dim == 64)
    launch<64>(call, stream);
  else
    launch<128>(call, stream);
}

}  // namespace shoal::kernels::cuda
