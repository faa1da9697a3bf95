// Dense products of one or two rows: a persistent grid whose threads stream weight rows. Matrices
// of one type share a launch.
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/row_stream.cuh"
#include "kernels/cuda/select_codec.cuh"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 128;

struct Place {
  float* output;  // of the place's weight row, first token
  int num_outputs;
  bool stored;
  SplitRow row;
};

// Matrices are cut into groups of kRows weight rows, numbered on from one matrix to the next.
// Rows past a matrix' end repeat its last one: whole warps take part in the shuffles.
template <class Codec, int kRows>
__device__ Place place_of(const Call& call, int group) {
  int m = 0;
  while (m + 1 < call.matrices.count && group >= call.matrices.matrix[m + 1].first_block) ++m;
  const Matrix& matrix = call.matrices.matrix[m];
  const int out =
      (group - matrix.first_block) * kRows + static_cast<int>(threadIdx.x) / (kThreads / kRows);
  const int row = min(out, matrix.num_outputs - 1);
  return {.output = matrix.output + row,
          .num_outputs = matrix.num_outputs,
          .stored = out < matrix.num_outputs && threadIdx.x % (kThreads / kRows) == 0,
          .row = matrix.weight.row<Codec>(row, call.input.num_blocks)};
}

template <class Codec, int kTokens, int kShare>
__global__ void __launch_bounds__(kThreads)
    rows_kernel(const __grid_constant__ Call call, int num_groups) {
  extern __shared__ int4 shared[];
  constexpr int kRows = kThreads / (kLanes * kShare);
  Place place = place_of<Codec, kRows>(call, blockIdx.x);
  RowStream<Codec, kShare, kBlocksAhead<Codec>> stream;
  stream.begin(place.row, call.input.num_blocks);
  wait_for_inputs();
  StagedRows<Int16Rows> x(shared, kTokens, call.input.num_blocks);
  x.load(call.input, call.num_tokens, [](int t) { return t; });
  for (int group = blockIdx.x; group < num_groups; group += gridDim.x) {
    const bool more = group + static_cast<int>(gridDim.x) < num_groups;
    const Place next = place_of<Codec, kRows>(call, more ? group + gridDim.x : group);
    float lanes[kTokens] = {};
    stream.accumulate(place.row, next.row, more, x, call.num_tokens, lanes);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float sum = lane_tree(lanes[t]);
      if (t < call.num_tokens && place.stored)
        place.output[static_cast<int64_t>(t) * place.num_outputs] = sum;
    }
    place = next;
  }
}

using Kernel = void (*)(Call, int);

// Thread blocks that the device holds at once.
int resident_blocks(Kernel kernel, size_t shared) {
  int device = 0, processors = 0, blocks = 0;
  device::cuda_check(cudaGetDevice(&device), "cudaGetDevice");
  device::cuda_check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
                     "cudaDeviceGetAttribute");
  device::cuda_check(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, kThreads, shared),
      "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  return std::max(1, blocks) * processors;
}

template <class Codec, int kTokens, int kShare>
void launch(Launcher& launcher) {
  constexpr int kRows = kThreads / (kLanes * kShare);
  launcher.cut_into_groups(kRows);
  const size_t shared = StagedRows<Int16Rows>::bytes(kTokens, launcher.call.input.num_blocks);
  const Kernel kernel = rows_kernel<Codec, kTokens, kShare>;
  const int blocks = std::min(launcher.num_blocks, resident_blocks(kernel, shared));
  device::Launch({.grid = dim3(static_cast<unsigned>(blocks)),
                  .block = dim3(kThreads),
                  .stream = launcher.stream,
                  .shared_bytes = shared,
                  .overlaps_previous = true})(kernel, launcher.call, launcher.num_blocks);
}

// Few rows are shared out to more threads each, so that the whole device has loads under way.
template <class Codec, int kTokens>
void choose_share(Launcher& launcher) {
  int64_t rows = 0;
  for (int m = 0; m < launcher.call.matrices.count; ++m)
    rows += launcher.call.matrices.matrix[m].num_outputs;
  const int num_blocks = launcher.call.input.num_blocks;
  if (rows <= 6144 && num_blocks >= 4 * kLanes) return launch<Codec, kTokens, 4>(launcher);
  if (rows <= 16384 && num_blocks >= 2 * kLanes) return launch<Codec, kTokens, 2>(launcher);
  launch<Codec, kTokens, 1>(launcher);
}

}  // namespace

void launch_dense_rows(Launcher& launcher, DType dtype) {
  with_codec(dtype, [&]<class Codec>(Codec) {
    if (launcher.call.num_tokens == 1)
      choose_share<Codec, 1>(launcher);
    else
      choose_share<Codec, 2>(launcher);
  });
}

}  // namespace shoal::kernels::cuda
