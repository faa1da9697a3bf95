// One token a sequence, everything between the projections in one launch: convolution, recurrence,
// gated norm and quantisation. A thread block takes a V head. Its state, its part of the
// convolution's history and of the weights are on their way before the inputs are known.
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/delta_step.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/quantize_rows.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// What a warp works out before the recurrence; with fewer than four warps, each takes several.
enum Role { kQuery, kKey, kValue, kGates, kNumRoles };
constexpr int kConvRoles = 3;

// The convolution of the head's queries, keys and values.
template <int kDim>
struct ConvWindow {
  float history[kMixHistory][kDim];  // oldest first; the token's own input replaces the oldest
  float weight[kDim * kMixKernel];
};

template <int kDim>
struct DecodeShared {
  ConvWindow<kDim> windows[kConvRoles];
  LaneVector<kDim> q, k;
  alignas(16) float v[kDim];
  float raw[2][kDim];  // q and k after the convolution
  float out[kDim];
  float decay, beta;
};

// Where a thread block stands.
struct Place {
  int head, k_head;
  int64_t token, slot;

  __device__ int64_t channel(const DeltaNetCall& call, int role) const {
    const int head_of_row = role == kQuery ? k_head
                            : role == kKey ? call.num_k_heads + k_head
                                           : 2 * call.num_k_heads + head;
    return static_cast<int64_t>(head_of_row) * call.dim;
  }
};

__device__ void arrive_at_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}

__device__ void wait_for_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

__device__ float* history_row(const DeltaMixCall& call, const Place& place, int role, int row) {
  return call.conv_state + (place.slot * kMixHistory + row) * call.delta.mixed_cols() +
         place.channel(call.delta, role);
}

// By the role's warp.
template <int kDim>
__device__ void start_window(const DeltaMixCall& call,
                             const Place& place,
                             int role,
                             ConvWindow<kDim>& window) {
  const int thread = threadIdx.x % 32;
  const float* weight = call.conv_weight + place.channel(call.delta, role) * kMixKernel;
#pragma unroll
  for (int i = 4 * thread; i < kDim * kMixKernel; i += 128)
    copy_16_async(&window.weight[i], weight + i);
#pragma unroll
  for (int row = 0; row < kMixHistory; ++row)
    for (int i = 4 * thread; i < kDim; i += 128)
      copy_16_async(&window.history[row][i], history_row(call, place, role, row) + i);
}

// One channel's convolution; its input becomes part of the window.
template <int kDim>
__device__ float convolve(ConvWindow<kDim>& window, int i, float input) {
  float sum = 0.0f;
#pragma unroll
  for (int j = 0; j < kMixHistory; ++j)
    sum = __fmaf_rn(window.weight[i * kMixKernel + j], window.history[j][i], sum);
  sum = __fmaf_rn(window.weight[i * kMixKernel + kMixHistory], input, sum);
  window.history[0][i] = input;
  return silu(sum);
}

// The history after this token, by the threads that convolved.
template <int kDim>
__device__ void store_window(const DeltaMixCall& call,
                             const Place& place,
                             int role,
                             const ConvWindow<kDim>& window) {
#pragma unroll
  for (int row = 0; row < kMixHistory; ++row)
    for (int i = threadIdx.x % 32; i < kDim; i += 32)
      history_row(call, place, role, row)[i] = window.history[(row + 1) % kMixHistory][i];
}

// Queries, keys or values of the token, by one warp.
template <int kDim, bool kConvInside>
__device__ void make_vector(const DeltaMixCall& call,
                            const Place& place,
                            int role,
                            DecodeShared<kDim>& shared) {
  constexpr int kElements = kDim / 32;
  const DeltaNetCall& delta = call.delta;
  const int thread = threadIdx.x % 32;
  const float* input = (kConvInside ? call.conv_input : delta.mixed) +
                       place.token * delta.mixed_cols() + place.channel(delta, role);
  float x[kElements];
#pragma unroll
  for (int i = 0; i < kElements; ++i) x[i] = input[thread + 32 * i];
  if constexpr (kConvInside) {
    await_copy_groups<0>();
    __syncwarp();  // the window has been copied by all threads of the warp
#pragma unroll
    for (int i = 0; i < kElements; ++i)
      x[i] = convolve(shared.windows[role], thread + 32 * i, x[i]);
  }
  if (role == kValue) {
#pragma unroll
    for (int i = 0; i < kElements; ++i) shared.v[thread + 32 * i] = x[i];
    return;
  }
  float* raw = shared.raw[role];
#pragma unroll
  for (int i = 0; i < kElements; ++i) raw[thread + 32 * i] = x[i];
  __syncwarp();  // the vector is whole before it is summed
  const float inverse = norm_inverse(lane_dot(raw, raw, kDim), delta.epsilon);
  LaneVector<kDim>& unit = role == kQuery ? shared.q : shared.k;
#pragma unroll
  for (int i = 0; i < kElements; ++i)
    unit.at(thread + 32 * i) = role == kQuery ? (x[i] * inverse) * q_scale(kDim) : x[i] * inverse;
}

__device__ float4 scaled(float by, const float4& x) {
  return {by * x.x, by * x.y, by * x.z, by * x.w};
}

__device__ float4 fma(float a, const float4& b, const float4& c) {
  return {__fmaf_rn(a, b.x, c.x),
          __fmaf_rn(a, b.y, c.y),
          __fmaf_rn(a, b.z, c.z),
          __fmaf_rn(a, b.w, c.w)};
}

// The four columns' trees, a column to each of the four threads: bit 0 of a thread's lane chooses
// the pair of columns, bit 1 the column in it.
__device__ float scattered_tree(const float4& o, int lane) {
  const bool second_pair = lane & 1, second = lane & 2;
  float first_kept = second_pair ? o.z : o.x, second_kept = second_pair ? o.w : o.y;
  const float first_given = second_pair ? o.x : o.z, second_given = second_pair ? o.y : o.w;
  first_kept = first_kept + __shfl_xor_sync(kWholeWarp, first_given, kThreadsALane);
  second_kept = second_kept + __shfl_xor_sync(kWholeWarp, second_given, kThreadsALane);
  const float kept = second ? second_kept : first_kept;
  const float given = second ? first_kept : second_kept;
  return kept + __shfl_xor_sync(kWholeWarp, given, 2 * kThreadsALane);
}

// Grid: (V heads, sequences), a thread four neighbouring columns of a lane's rows. The V heads of
// a K head are neighbours and, with the convolution inside, a cluster: each reads the history of
// their queries and keys, and the first writes it when all have.
template <int kDim, bool kConvInside>
__global__ void __launch_bounds__(kDim, 3)
    delta_decode_kernel(const __grid_constant__ DeltaMixCall call) {
  constexpr int kRows = kDim / kStateLanes;
  constexpr int kWarps = kDim / 32;
  __shared__ DecodeShared<kDim> shared;
  const DeltaNetCall& delta = call.delta;
  const int warp = threadIdx.x / 32, lane = state_lane();
  const int heads_a_group = delta.num_v_heads / delta.num_k_heads;
  // Batch arrays, state and history are older than the launch before this one.
  const Place place = {
      .head = kConvInside ? static_cast<int>(blockIdx.x) / heads_a_group +
                                static_cast<int>(blockIdx.x) % heads_a_group * delta.num_k_heads
                          : static_cast<int>(blockIdx.x),
      .k_head = kConvInside ? static_cast<int>(blockIdx.x) / heads_a_group
                            : static_cast<int>(blockIdx.x) % delta.num_k_heads,
      .token = delta.starts[blockIdx.y],
      .slot = delta.slots[blockIdx.y]};
  if constexpr (kConvInside)
    for (int role = warp; role < kConvRoles; role += kWarps)
      start_window(call, place, role, shared.windows[role]);
  end_copy_group();

  const int column = 32 * warp + 4 * (threadIdx.x % kThreadsALane);
  auto* state = reinterpret_cast<float4*>(
      delta.state + ((place.slot * delta.num_v_heads + place.head) * kDim + lane) * kDim + column);
  float4 s[kRows];
#pragma unroll
  for (int m = 0; m < kRows; ++m) s[m] = state[m * kStateLanes * kDim / 4];
  // The column whose output this thread finishes.
  const int own_column = column + 2 * (lane & 1) + (lane >> 1);
  const float norm_weight = call.norm_weight[own_column];

  wait_for_inputs();
  const int64_t at = (place.token * delta.num_v_heads + place.head) * kDim + own_column;
  const float gate = call.gate[at];
#pragma unroll 1
  for (int role = warp; role < kNumRoles; role += kWarps) {
    if (role < kConvRoles) {
      make_vector<kDim, kConvInside>(call, place, role, shared);
      if (kConvInside && role == kValue) store_window(call, place, role, shared.windows[role]);
    } else {
      const float decay = load_decay(delta, place.token, place.head);
      const float beta = load_beta(delta, place.token, place.head);
      if (threadIdx.x % 32 == 0) shared.decay = decay, shared.beta = beta;
    }
  }
  // This thread block has read the history that the cluster shares.
  if constexpr (kConvInside) arrive_at_cluster();
  __syncthreads();  // q, k, v and the gates are written before all read them

  const float decay = shared.decay;
  float4 p = {};
#pragma unroll
  for (int m = 0; m < kRows; m += 4) {
    const float4 k = shared.k.four(lane, m / 4);
    s[m] = scaled(decay, s[m]);
    p = fma(k.x, s[m], p);
    s[m + 1] = scaled(decay, s[m + 1]);
    p = fma(k.y, s[m + 1], p);
    s[m + 2] = scaled(decay, s[m + 2]);
    p = fma(k.z, s[m + 2], p);
    s[m + 3] = scaled(decay, s[m + 3]);
    p = fma(k.w, s[m + 3], p);
  }
  const float4 v = *reinterpret_cast<const float4*>(shared.v + column);
  const float4 e = scaled(
      shared.beta,
      {v.x - state_tree(p.x), v.y - state_tree(p.y), v.z - state_tree(p.z), v.w - state_tree(p.w)});
  float4 o = {};
  const auto update = [&](int m, float k, float q) {
    s[m] = fma(k, e, s[m]);
    o = fma(q, s[m], o);
    state[m * kStateLanes * kDim / 4] = s[m];
  };
#pragma unroll
  for (int m = 0; m < kRows; m += 4) {
    const float4 k = shared.k.four(lane, m / 4);
    const float4 q = shared.q.four(lane, m / 4);
    update(m, k.x, q.x);
    update(m + 1, k.y, q.y);
    update(m + 2, k.z, q.z);
    update(m + 3, k.w, q.w);
  }
  const float own = scattered_tree(o, lane);
  shared.out[own_column] = own;
  __syncthreads();  // the head is whole before each warp sums it
  const float scale = head_scale(lane_dot(shared.out, shared.out, kDim), kDim, call.norm_epsilon);
  const float y = ((own * scale) * norm_weight) * silu(gate);
  call.f32[at] = y;
  const QuantizedColumn quantized = quantize_column(y, kInt16Limit);
  call.values[at] = static_cast<int16_t>(quantized.value);
  if (threadIdx.x % 32 == 0) {
    call.scales[at / 32] = quantized.scale;
    call.sums[at / 32] = quantized.sum;
  }
  if constexpr (kConvInside) {
    wait_for_cluster();  // the others have read the history that is overwritten now
    if (place.head == place.k_head)
      for (int role = warp; role < kValue; role += kWarps)
        store_window(call, place, role, shared.windows[role]);
  }
}

template <int kDim>
void launch(const DeltaMixCall& call, ConvPlace conv, Stream stream) {
  const DeltaNetCall& delta = call.delta;
  const bool inside = conv == ConvPlace::kInside;
  const auto heads_a_group = static_cast<unsigned>(delta.num_v_heads / delta.num_k_heads);
  device::Launch({.grid = dim3(static_cast<unsigned>(delta.num_v_heads),
                               static_cast<unsigned>(delta.num_sequences)),
                  .block = dim3(kDim),
                  .stream = stream,
                  .overlaps_previous = true,
                  .cluster = inside ? heads_a_group : 0})(
      inside ? delta_decode_kernel<kDim, true> : delta_decode_kernel<kDim, false>, call);
}

}  // namespace

void launch_delta_decode(const DeltaMixCall& call, ConvPlace conv, Stream stream) {
  if (call.delta.dim == 64)
    launch<64>(call, conv, stream);
  else
    launch<128>(call, conv, stream);
}

}  // namespace shoal::kernels::cuda
