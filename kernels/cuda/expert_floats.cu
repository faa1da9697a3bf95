// Experts with float weights, as in unquantised files.
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/float_product.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = kInnerColumns * kLanes;

template <class Weights>
__device__ float dot(const uint8_t* weight, const float* x, int cols) {
  const auto* w = reinterpret_cast<const typename Weights::Stored*>(weight);
  float lane = 0.0f;
#pragma unroll 8
  for (int k = threadIdx.x % kLanes; k < cols; k += kLanes)
    lane = __fmaf_rn(Weights::widen(__ldg(w + k)), x[k], lane);
  return lane_tree(lane);
}

template <class Weights>
__device__ const uint8_t* row_of(const WeightPlanes& planes, int row, int cols) {
  return planes.bodies + static_cast<int64_t>(row) * cols * sizeof(typename Weights::Stored);
}

// Grid: (intermediate / 32, active experts).
template <class Weights>
__global__ void __launch_bounds__(kThreads)
    gate_up_kernel(const __grid_constant__ GateUpCall call) {
  __shared__ float tile[kInnerColumns];
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  const int column = threadIdx.x / kLanes;
  const int row =
      min(static_cast<int>(blockIdx.x) * kInnerColumns + column, call.inner.columns - 1);
  for (int slot = group.first_slot; slot < group.first_slot + group.num_rows; ++slot) {
    const float* x = call.f32 + static_cast<int64_t>(call.groups.row_of_slot[slot]) * call.cols;
    const float gate =
        dot<Weights>(row_of<Weights>(call.gate.of(group.expert), row, call.cols), x, call.cols);
    const float up =
        dot<Weights>(row_of<Weights>(call.up.of(group.expert), row, call.cols), x, call.cols);
    if (threadIdx.x % kLanes == 0) tile[column] = silu(gate) * up;
    __syncthreads();  // every column is written before the first warp reads them
    if (threadIdx.x < 32) store_inner(call.inner, slot, tile[threadIdx.x]);
    __syncthreads();  // they have been read before the next turn writes them
  }
}

// Grid: (outputs / 32, active experts).
template <class Weights>
__global__ void __launch_bounds__(kThreads) down_kernel(const __grid_constant__ DownCall call) {
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  const int out = blockIdx.x * kInnerColumns + threadIdx.x / kLanes;
  const uint8_t* row =
      row_of<Weights>(call.down.of(group.expert), min(out, call.num_outputs - 1), call.cols);
  for (int64_t slot = group.first_slot; slot < group.first_slot + group.num_rows; ++slot) {
    const float sum = dot<Weights>(row, call.f32 + slot * call.cols, call.cols);
    if (out < call.num_outputs && threadIdx.x % kLanes == 0)
      call.output[slot * call.num_outputs + out] = sum;
  }
}

template <class Body>
void with_float(DType dtype, const Body& body) {
  if (dtype == DType::kF16) return body(F16Weights{});
  if (dtype == DType::kBF16) return body(BF16Weights{});
  body(F32Weights{});
}

device::Launch launch_of(int outputs, const ExpertGrid& grid) {
  return device::Launch(
      {.grid = dim3(static_cast<unsigned>((outputs + kInnerColumns - 1) / kInnerColumns),
                    static_cast<unsigned>(grid.max_active)),
       .block = dim3(kThreads),
       .stream = grid.stream,
       .overlaps_previous = true});
}

}  // namespace

void gate_up_floats(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  with_float(dtype, [&]<class Weights>(Weights) {
    launch_of(call.inner.columns, grid)(gate_up_kernel<Weights>, call);
  });
}

void down_floats(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  with_float(dtype, [&]<class Weights>(Weights) {
    launch_of(call.num_outputs, grid)(down_kernel<Weights>, call);
  });
}

}  // namespace shoal::kernels::cuda
