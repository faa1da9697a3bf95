#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 128;

struct ConvCall {
  const float* input;
  const float* weight;
  float* state;
  const int32_t* starts;
  const int32_t* slots;
  float* output;
  int64_t channels;
};

// A thread a channel of one sequence (blockIdx.y); the window of past inputs stays in registers.
template <int kKernel>
__global__ void conv_kernel(const __grid_constant__ ConvCall call) {
  constexpr int kHistory = kKernel - 1;
  wait_for_inputs();
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t begin = call.starts[blockIdx.y];
  const int64_t end = call.starts[blockIdx.y + 1];
  if (c >= call.channels || begin == end) return;
  float* state = call.state + call.slots[blockIdx.y] * kHistory * call.channels + c;
  float weight[kKernel], window[kKernel];
#pragma unroll
  for (int j = 0; j < kKernel; ++j) weight[j] = call.weight[c * kKernel + j];
#pragma unroll
  for (int j = 0; j < kHistory; ++j) window[j] = state[j * call.channels];
  for (int64_t t = begin; t < end; ++t) {
    window[kHistory] = call.input[t * call.channels + c];
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kKernel; ++j) sum = __fmaf_rn(weight[j], window[j], sum);
    call.output[t * call.channels + c] = silu(sum);
#pragma unroll
    for (int j = 0; j < kHistory; ++j) window[j] = window[j + 1];
  }
#pragma unroll
  for (int j = 0; j < kHistory; ++j) state[j * call.channels] = window[j];
}

using ConvKernel = void (*)(ConvCall);

// By kernel size, 1 to kMaxConvKernel.
constexpr ConvKernel kKernels[kMaxConvKernel] = {conv_kernel<1>,
                                                 conv_kernel<2>,
                                                 conv_kernel<3>,
                                                 conv_kernel<4>,
                                                 conv_kernel<5>,
                                                 conv_kernel<6>,
                                                 conv_kernel<7>,
                                                 conv_kernel<8>};

}  // namespace

void conv_silu(const ConvParams& params, const Exec& exec) {
  check_conv(params);
  const ConvCall call = {.input = params.input.f32(),
                         .weight = params.weight,
                         .state = params.conv_state,
                         .starts = params.sequence_starts.i32(),
                         .slots = params.state_slots.i32(),
                         .output = params.output.f32(),
                         .channels = params.input.cols()};
  device::Launch({.grid = dim3(static_cast<unsigned>((call.channels + kThreads - 1) / kThreads),
                               static_cast<unsigned>(params.num_sequences)),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(kKernels[params.kernel - 1], call);
}

}  // namespace shoal::kernels::cuda
