// The routing of an exchange between ranks: ids as each side reads them, places of pairs in
// messages of equal size, rows into messages.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 256;

dim3 blocks_for(int64_t count) {
  return dim3(static_cast<unsigned>((count + kThreads - 1) / kThreads));
}

struct MapIds {
  const int32_t* ids;
  const int32_t* table;
  int32_t* output;
  int64_t num_pairs, num_outputs, pairs_per_table;
  int num_ids;
};

__global__ void __launch_bounds__(kThreads) map_ids_kernel(const __grid_constant__ MapIds call) {
  wait_for_inputs();
  const int64_t pair = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pair >= call.num_outputs) return;
  int32_t id = pair < call.num_pairs ? call.ids[pair] : -1;
  if (id >= 0 && call.table != nullptr)
    id = call.table[pair / call.pairs_per_table * call.num_ids + id];
  call.output[pair] = id;
}

struct PlacePairs {
  const int32_t* ids;
  const int32_t* starts;
  int32_t* slot_of_pair;
  int64_t num_pairs, capacity;
};

__global__ void __launch_bounds__(kThreads)
    place_pairs_kernel(const __grid_constant__ PlacePairs call) {
  wait_for_inputs();
  const int64_t pair = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pair >= call.num_pairs) return;
  const int32_t id = call.ids[pair];
  if (id < 0) return;
  const int64_t rank = call.slot_of_pair[pair] - call.starts[id];
  call.slot_of_pair[pair] = static_cast<int32_t>(id * call.capacity + rank);
}

struct MoveRows {
  const float* input;
  const int32_t* from;
  const int32_t* to;
  float* output;
  int64_t num_pairs;
  int cols;
};

// A thread block takes pairs in turn: most of them have no row here.
__global__ void __launch_bounds__(kThreads)
    move_rows_kernel(const __grid_constant__ MoveRows call) {
  wait_for_inputs();
  for (int64_t pair = blockIdx.x; pair < call.num_pairs; pair += gridDim.x) {
    const int64_t to = call.to[pair];
    if (to < 0) continue;
    const float* from = call.input + int64_t{call.from[pair]} * call.cols;
    float* const row = call.output + to * call.cols;
    if (call.cols % 4 == 0) {
      for (int i = threadIdx.x; i < call.cols / 4; i += kThreads)
        reinterpret_cast<float4*>(row)[i] = reinterpret_cast<const float4*>(from)[i];
    } else {
      for (int i = threadIdx.x; i < call.cols; i += kThreads) row[i] = from[i];
    }
  }
}

// Enough to fill any GPU of today.
constexpr int64_t kMaxMoveBlocks = 2048;

}  // namespace

void map_ids(const MapIdsParams& params, const Exec& exec) {
  const MapIds call = {.ids = params.ids.rows() > 0 ? params.ids.i32() : nullptr,
                       .table = params.table,
                       .output = params.output.i32(),
                       .num_pairs = params.ids.elements(),
                       .num_outputs = params.output.elements(),
                       .pairs_per_table = params.rows_per_table * params.output.cols(),
                       .num_ids = params.num_ids};
  device::Launch({.grid = blocks_for(call.num_outputs),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(map_ids_kernel, call);
}

void place_pairs(const PlacePairsParams& params, const Exec& exec) {
  const PlacePairs call = {.ids = params.ids.i32(),
                           .starts = params.groups.starts,
                           .slot_of_pair = params.groups.slot_of_pair,
                           .num_pairs = params.groups.num_pairs,
                           .capacity = params.capacity};
  device::Launch({.grid = blocks_for(call.num_pairs),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(place_pairs_kernel, call);
}

void move_rows(const MoveRowsParams& params, const Exec& exec) {
  const MoveRows call = {.input = params.input.f32(),
                         .from = params.from,
                         .to = params.to,
                         .output = params.output.f32(),
                         .num_pairs = params.num_pairs,
                         .cols = static_cast<int>(params.input.cols())};
  const int64_t blocks = params.num_pairs < kMaxMoveBlocks ? params.num_pairs : kMaxMoveBlocks;
  device::Launch({.grid = dim3(static_cast<unsigned>(blocks)),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(move_rows_kernel, call);
}

}  // namespace shoal::kernels::cuda
