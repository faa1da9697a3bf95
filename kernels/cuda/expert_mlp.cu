// Two launches: gate, up, SiLU and the quantisation of what comes out for all active experts, then
// down. The table of active experts travels as a kernel parameter, so nothing is copied first.
#include <algorithm>
#include <span>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/expert_tiles.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/ops/expert_mlp.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kFewSlots = 16;
constexpr int kGateUpThreads = kInnerColumns * kLanes;
constexpr int kTokens = 2;
// Mean rows an expert from which tiles win.
constexpr int64_t kTileRowsFrom = 3;

// Runs `multiply(weight row, token, num_tokens, lanes)` for gate and up and stores SiLU(gate) * up.
template <class Multiply>
__device__ void gate_and_up(const GateUpSlot& slot,
                            const GateUpShape& shape,
                            const Multiply& multiply) {
  __shared__ float tile[kTokens][kInnerColumns];
  const int column = threadIdx.x / kLanes;
  const int row =
      min(static_cast<int>(blockIdx.x) * kInnerColumns + column, shape.intermediate - 1);
  for (int begin = 0; begin < slot.num_rows; begin += kTokens) {
    const int num_tokens = min(kTokens, slot.num_rows - begin);
    float gate[kTokens] = {}, up[kTokens] = {};
    multiply(slot.gate + row * shape.row_stride, slot.first_row + begin, num_tokens, gate);
    multiply(slot.up + row * shape.row_stride, slot.first_row + begin, num_tokens, up);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float value = silu(lane_tree(gate[t])) * lane_tree(up[t]);
      if (threadIdx.x % kLanes == 0) tile[t][column] = value;
    }
    __syncthreads();  // every column of the tile is written before its token's warp reads it
    if (const int token = threadIdx.x / 32; token < num_tokens)
      store_inner(shape, slot.first_row + begin + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // the tile has been read before the next turn writes it
  }
}

template <class Codec, class Rows, int kSlots>
__global__ void __launch_bounds__(kGateUpThreads)
    gate_up_kernel(const __grid_constant__ GateUpSlots<kSlots> slots,
                   const __grid_constant__ RowInput input,
                   const __grid_constant__ GateUpShape shape) {
  __shared__ ProductStages<Codec, Rows, kTokens, kInnerColumns, 2> stages;
  gate_and_up(slots.slot[blockIdx.z],
              shape,
              [&](const uint8_t* row, int64_t first, int num_tokens, float(&lanes)[kTokens]) {
                accumulate_lane<Codec, Rows, kTokens>(row, input, first, num_tokens, stages, lanes);
              });
}

template <class Weights, int kSlots>
__global__ void __launch_bounds__(kGateUpThreads)
    float_gate_up_kernel(const __grid_constant__ GateUpSlots<kSlots> slots,
                         const float* x,
                         int cols,
                         const __grid_constant__ GateUpShape shape) {
  gate_and_up(slots.slot[blockIdx.z],
              shape,
              [&](const uint8_t* row, int64_t first, int num_tokens, float(&lanes)[kTokens]) {
                accumulate_float_lane<Weights, kTokens>(
                    row, x + first * cols, cols, num_tokens, lanes);
              });
}

const uint8_t* bytes_of(const WeightView& weight) {
  return reinterpret_cast<const uint8_t*>(weight.data);
}

template <class Body>
void with_float(DType dtype, const Body& body) {
  if (dtype == DType::kF16) return body(F16Weights{});
  if (dtype == DType::kBF16) return body(BF16Weights{});
  body(F32Weights{});
}

struct ExpertCall {
  const ExpertMlpParams& params;
  const ExpertScratch& scratch;
  Stream stream;

  void run(std::span<const ActiveExpert> active) const {
    // One row an expert at most: the decode step of one sequence, launched with a small table.
    const auto max_slots =
        static_cast<size_t>(active.size() <= kFewSlots ? kFewSlots : kMaxExpertSlots);
    for (size_t at = 0; at < active.size(); at += max_slots) {
      const auto piece = active.subspan(at, std::min(max_slots, active.size() - at));
      if (takes_tiles(piece))
        multiply<kMaxExpertSlots>(piece);
      else if (max_slots == kFewSlots)
        multiply<kFewSlots>(piece);
      else
        multiply<kMaxExpertSlots>(piece);
    }
  }

  template <int kSlots>
  void multiply(std::span<const ActiveExpert> piece) const {
    GateUpSlots<kSlots> gate_up;
    ProductSlots<kSlots> down;
    for (size_t i = 0; i < piece.size(); ++i) {
      const ExpertWeights& expert = params.experts[piece[i].local_expert_idx];
      const auto first_row = static_cast<int32_t>(piece[i].first_row);
      gate_up.slot[i] = {bytes_of(expert.gate), bytes_of(expert.up), first_row, piece[i].num_rows};
      down.slot[i] = {bytes_of(expert.down), first_row, piece[i].num_rows};
    }
    const ExpertWeights& first = params.experts[piece.front().local_expert_idx];
    const auto num_slots = static_cast<unsigned>(piece.size());
    if constexpr (kSlots == kMaxExpertSlots) {
      const ExpertTiles tiles = {static_cast<int>(num_slots), mean_rows(piece), stream};
      const bool wins = takes_tiles(piece);
      if (wins && is_quantized(first.gate.dtype))
        tiles.gate_up(gate_up, first.gate.dtype, params.input, gate_up_shape(first.gate));
      else
        launch_gate_up(gate_up, first.gate, num_slots);
      if (wins && is_quantized(first.down.dtype))
        tiles.down(down, first.down.dtype, inner_rows(first.down), down_shape(first.down));
      else
        launch_down(down, first.down, num_slots);
    } else {
      launch_gate_up(gate_up, first.gate, num_slots);
      launch_down(down, first.down, num_slots);
    }
  }

  static int64_t mean_rows(std::span<const ActiveExpert> piece) {
    const ActiveExpert& last = piece.back();
    const int64_t rows = last.first_row + last.num_rows - piece.front().first_row;
    return (rows + static_cast<int64_t>(piece.size()) - 1) / static_cast<int64_t>(piece.size());
  }
  static bool takes_tiles(std::span<const ActiveExpert> piece) {
    return mean_rows(piece) >= kTileRowsFrom;
  }

  GateUpShape gate_up_shape(const WeightView& gate) const {
    const bool quantized = is_quantized(params.experts.front().down.dtype);
    return {.intermediate = static_cast<int>(gate.rows),
            .row_stride = gate.row_stride(),
            .inner = quantized ? nullptr : scratch.inner,
            .values = scratch.values,
            .scales = scratch.scales,
            .sums = scratch.sums};
  }
  ProductShape down_shape(const WeightView& down) const {
    return {.num_outputs = static_cast<int>(down.rows),
            .row_stride = down.row_stride(),
            .output = params.output.f32()};
  }
  RowInput inner_rows(const WeightView& down) const {
    return {scratch.values,
            scratch.scales,
            scratch.sums,
            static_cast<int>(down.cols / kActivationBlock)};
  }

  template <int kSlots>
  void launch_gate_up(const GateUpSlots<kSlots>& slots,
                      const WeightView& gate,
                      unsigned num_slots) const {
    const GateUpShape shape = gate_up_shape(gate);
    const device::Launch launch(
        {.grid = dim3((shape.intermediate + kInnerColumns - 1) / kInnerColumns, 1, num_slots),
         .block = dim3(kGateUpThreads),
         .stream = stream});
    const ActivationRows& input = params.input;
    if (!is_quantized(gate.dtype))
      return with_float(gate.dtype, [&]<class Weights>(Weights) {
        launch(float_gate_up_kernel<Weights, kSlots>,
               slots,
               static_cast<const float*>(input.values),
               static_cast<int>(input.cols),
               shape);
      });
    with_codec(gate.dtype, [&]<class Codec>(Codec) {
      if (input.format == ActivationFormat::kInt8)
        launch(gate_up_kernel<Codec, Int8Rows, kSlots>, slots, row_input(input), shape);
      else
        launch(gate_up_kernel<Codec, Int16Rows, kSlots>, slots, row_input(input), shape);
    });
  }

  template <int kSlots>
  void launch_down(const ProductSlots<kSlots>& slots,
                   const WeightView& down,
                   unsigned num_slots) const {
    const ProductShape shape = down_shape(down);
    const device::Launch launch(
        {.grid = dim3(
             (shape.num_outputs + kRowsPerThreadBlock - 1) / kRowsPerThreadBlock, 1, num_slots),
         .block = dim3(kProductThreads),
         .stream = stream});
    if (!is_quantized(down.dtype))
      return with_float(down.dtype, [&]<class Weights>(Weights) {
        launch(float_product_kernel<Weights, kTokens, kSlots>,
               slots,
               scratch.inner,
               static_cast<int>(down.cols),
               shape);
      });
    const RowInput inner = inner_rows(down);
    with_codec(down.dtype, [&]<class Codec>(Codec) {
      launch(product_kernel<Codec, Int16Rows, kTokens, kSlots>, slots, inner, shape);
    });
  }
};

}  // namespace

void expert_mlp(const ExpertMlpParams& params, const Exec& exec) {
  if (params.input.rows == 0) return;
  const std::vector<ActiveExpert> active = check_expert_mlp(params);
  const ExpertScratch scratch =
      carve_expert_scratch(exec.workspace, params.input.rows, params.experts.front().down.cols);
  ExpertCall{params, scratch, exec.stream}.run(active);
}

}  // namespace shoal::kernels::cuda
