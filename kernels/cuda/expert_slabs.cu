// The experts of one token by slabs (slab_product.cuh): two launches, in each of which a thread
// block asks for all its weights at once. What lies between them stays f32; every thread block of
// the second launch quantises the row that it needs, the same integers each time.
#include <algorithm>

#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/expert_slabs.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/slab_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

using SharedCodec = Q8_0;
constexpr int kBatch = 2;  // slabs between two barriers
constexpr int kWeightBytes = 74 << 10;

// Slabs of each of `matrices` that a thread block takes.
template <class Codec>
constexpr int slabs_a_block(int matrices) {
  return std::min(4, kWeightBytes / (matrices * Slab<Codec>::kBytes));
}

struct GateUpSlabs {
  ExpertPlanes gate, up;
  const ActiveRows* active;
  RowInput input;  // one int8 row
  int columns;
  float* inner;  // [slots, columns]
  WeightPlanes shared_gate, shared_up;
  RowInput shared_input;  // the same as int16
  float* shared_inner;    // [columns]
  int max_active;
};

struct DownSlabs {
  ExpertPlanes down;
  const ActiveRows* active;
  const float* inner;
  int num_outputs;
  float* output;  // [slots, num_outputs]
  WeightPlanes shared_down;
  const float* shared_inner;
  float* shared_output;
  int num_blocks;  // of an inner row
  int max_active;
};

// The slabs [first, first + count) of kMatrices matrices of equal shape, matrix after matrix inside
// a slab.
template <class Codec, int kMatrices>
class Slabs {
 public:
  static constexpr int kMaxCount = slabs_a_block<Codec>(kMatrices);

  static size_t bytes(const SlabShape& shape) {
    return size_t{kMaxCount} * kMatrices * Slab<Codec>::kBytes +
           static_cast<size_t>(kBatch * kMatrices * SlabTerms<Codec>::bytes(shape));
  }
  static int blocks_of(const SlabShape& shape, int rows) {
    const int rows_a_block = shape.rows() * kMaxCount;
    return (rows + rows_a_block - 1) / rows_a_block;
  }

  __device__ Slabs(void* shared, Arrival* arrivals, const SlabShape& shape, int num_rows, int piece)
      : weights_(static_cast<uint8_t*>(shared)),
        arrivals_(arrivals),
        shape_(shape),
        num_rows_(num_rows),
        first_row_(piece * kMaxCount * shape.rows()) {}

  // The whole thread block calls it.
  __device__ void request(const WeightPlanes (&matrices)[kMatrices]) const {
    if (threadIdx.x == 0) {
      make_arrivals(arrivals_, kMaxCount);
#pragma unroll 1
      for (int s = 0; s < kMaxCount; ++s) {
        const int first = first_row_ + s * shape_.rows();
        const int rows = min(shape_.rows(), num_rows_ - first);
        if (rows <= 0) break;
        expect_bytes(arrivals_ + s, kMatrices * slab_bytes<Codec>(rows, shape_.num_blocks));
#pragma unroll
        for (int m = 0; m < kMatrices; ++m)
          copy_slab<Codec>(
              weights(s, m), matrices[m], first, rows, shape_.num_blocks, arrivals_ + s);
      }
    }
    __syncthreads();  // the arrivals are made before others wait for them
  }

  // take(row, matrix, product) for each product, by eight neighbouring threads; the products of a
  // row are made by neighbouring eights.
  template <class Rows, class Take>
  __device__ void multiply(const InputBlock<Rows>& x, const Take& take) const {
    for (int begin = 0; begin < kMaxCount; begin += kBatch) {
      if (first_row_ + begin * shape_.rows() >= num_rows_) return;
#pragma unroll
      for (int b = 0; b < kBatch; ++b) {
        const int s = begin + b;
        if (s >= kMaxCount || first_row_ + s * shape_.rows() >= num_rows_) break;
        await_arrival(arrivals_ + s, 0);
#pragma unroll
        for (int m = 0; m < kMatrices; ++m) terms(b, m).put(weights(s, m), x);
      }
      __syncthreads();  // the terms are whole before they are chained
      const int parts = kBatch * kMatrices * shape_.rows();
      for (int part = threadIdx.x / kLanes; part < parts; part += kSlabThreads / kLanes) {
        const int m = part % kMatrices;
        const int row = part / kMatrices & (shape_.rows() - 1);
        const int b = part / kMatrices / shape_.rows();
        take(first_row_ + (begin + b) * shape_.rows() + row, m, terms(b, m).row(row));
      }
      __syncthreads();  // they have been read before the next batch writes them
    }
  }

 private:
  __device__ uint8_t* weights(int slab, int matrix) const {
    return weights_ + (slab * kMatrices + matrix) * Slab<Codec>::kBytes;
  }
  __device__ SlabTerms<Codec> terms(int b, int matrix) const {
    uint8_t* const first = weights(kMaxCount, 0);
    const int place = (b * kMatrices + matrix) * SlabTerms<Codec>::bytes(shape_);
    return {reinterpret_cast<float2*>(first + place), shape_};
  }

  uint8_t* weights_;
  Arrival* arrivals_;
  SlabShape shape_;
  int num_rows_, first_row_;
};

template <class Rows, class Slabs>
__device__ void store_inner_row(
    const Slabs& slabs, const RowInput& input, const SlabShape& shape, int columns, float* inner) {
  InputBlock<Rows> x;
  x.load(input, shape.block());
  slabs.multiply(x, [&](int column, int matrix, float product) {
    const float up = __shfl_xor_sync(kWholeWarp, product, kLanes);
    if (matrix == 0 && threadIdx.x % kLanes == 0 && column < columns)
      inner[column] = silu(product) * up;
  });
}

// Grid: (pieces of the columns, active experts and then the shared expert's pieces).
template <class Codec>
__global__ void __launch_bounds__(kSlabThreads, 2)
    gate_up_kernel(const __grid_constant__ GateUpSlabs call) {
  extern __shared__ uint4 shared[];
  __shared__ Arrival arrivals[4];
  const SlabShape shape(call.input.num_blocks);
  const int place = static_cast<int>(blockIdx.y);
  if (place >= call.max_active) {
    const int piece = (place - call.max_active) * gridDim.x + blockIdx.x;
    const Slabs<SharedCodec, 2> slabs(shared, arrivals, shape, call.columns, piece);
    slabs.request({call.shared_gate, call.shared_up});
    wait_for_inputs();
    store_inner_row<Int16Rows>(slabs, call.shared_input, shape, call.columns, call.shared_inner);
    return;
  }
  wait_for_inputs();
  const int4 group = *reinterpret_cast<const int4*>(call.active + place);
  if (group.z == 0) return;
  const Slabs<Codec, 2> slabs(shared, arrivals, shape, call.columns, blockIdx.x);
  slabs.request({call.gate.of(group.x), call.up.of(group.x)});
  store_inner_row<Int8Rows>(
      slabs, call.input, shape, call.columns, call.inner + int64_t{group.y} * call.columns);
}

// The row as int16 in shared memory, by all warps.
__device__ StagedRows<Int16Rows> quantize_inner(void* shared, const float* row, int num_blocks) {
  const StagedRows<Int16Rows> x(shared, 1, num_blocks);
  for (int block = threadIdx.x / 32; block < num_blocks; block += kSlabThreads / 32) {
    const QuantizedColumn column =
        quantize_column(row[block * kActivationBlock + threadIdx.x % 32], kInt16Limit);
    reinterpret_cast<int16_t*>(x.values +
                               block * StagedRows<Int16Rows>::kWordsABlock)[threadIdx.x % 32] =
        static_cast<int16_t>(column.value);
    if (threadIdx.x % 32 == 0) {
      x.scales[block] = column.scale;
      x.sums[block] = column.sum;
    }
  }
  __syncthreads();  // the row is whole before all take their blocks
  return x;
}

template <class Slabs>
__device__ void store_outputs(const Slabs& slabs,
                              void* shared,
                              const float* inner,
                              const SlabShape& shape,
                              int num_outputs,
                              float* output) {
  const StagedRows<Int16Rows> row = quantize_inner(shared, inner, shape.num_blocks);
  InputBlock<Int16Rows> x;
#pragma unroll
  for (int i = 0; i < Int16Rows::kWords; ++i)
    x.words[i] = row.values[shape.block() * StagedRows<Int16Rows>::kWordsABlock + i];
  x.scale = row.scales[shape.block()];
  x.sum = row.sums[shape.block()];
  slabs.multiply(x, [&](int out, int, float product) {
    if (threadIdx.x % kLanes == 0 && out < num_outputs) output[out] = product;
  });
}

// Grid: (pieces of the outputs, active experts and then the shared expert's pieces). Launched right
// after gate_up_kernel, so the groups, which are older, and the weights may be read at once.
template <class Codec>
__global__ void __launch_bounds__(kSlabThreads, 2)
    down_kernel(const __grid_constant__ DownSlabs call, int row_bytes) {
  extern __shared__ uint4 shared[];
  __shared__ Arrival arrivals[4];
  const SlabShape shape(call.num_blocks);
  void* const weights = reinterpret_cast<uint8_t*>(shared) + row_bytes;
  const int place = static_cast<int>(blockIdx.y);
  const int columns = call.num_blocks * static_cast<int>(kActivationBlock);
  if (place >= call.max_active) {
    const int piece = (place - call.max_active) * gridDim.x + blockIdx.x;
    const Slabs<SharedCodec, 1> slabs(weights, arrivals, shape, call.num_outputs, piece);
    slabs.request({call.shared_down});
    wait_for_inputs();
    store_outputs(slabs, shared, call.shared_inner, shape, call.num_outputs, call.shared_output);
    return;
  }
  const int4 group = *reinterpret_cast<const int4*>(call.active + place);
  if (group.z == 0) return;
  const Slabs<Codec, 1> slabs(weights, arrivals, shape, call.num_outputs, blockIdx.x);
  slabs.request({call.down.of(group.x)});
  wait_for_inputs();
  store_outputs(slabs,
                shared,
                call.inner + int64_t{group.y} * columns,
                shape,
                call.num_outputs,
                call.output + int64_t{group.y} * call.num_outputs);
}

// Grid and shared memory for both kinds of experts.
struct Shape {
  dim3 grid;
  size_t bytes;
};

template <class Codec, int kMatrices>
Shape shape_of(const SlabShape& slab, int rows, int max_active, bool has_shared) {
  const int across = Slabs<Codec, kMatrices>::blocks_of(slab, rows);
  const int own = Slabs<SharedCodec, kMatrices>::blocks_of(slab, rows);
  const int places = max_active + (has_shared ? (own + across - 1) / across : 0);
  return {
      dim3(static_cast<unsigned>(across), static_cast<unsigned>(places)),
      std::max(Slabs<Codec, kMatrices>::bytes(slab), Slabs<SharedCodec, kMatrices>::bytes(slab))};
}

bool aligned(const WeightView& matrix) {
  const int num_blocks = static_cast<int>(matrix.cols / kActivationBlock);
  if (!fits_slabs(num_blocks)) return false;
  bool fits = false;
  with_codec(matrix.dtype, [&]<class Codec>(Codec) {
    const int64_t head_bytes = int64_t{num_blocks / 8} * Codec::kHead256;
    const int rows = SlabShape(num_blocks).rows();
    fits = reinterpret_cast<uintptr_t>(matrix.data) % 16 == 0 &&
           reinterpret_cast<uintptr_t>(matrix.heads) % 16 == 0 && rows * head_bytes % 16 == 0 &&
           matrix.rows % rows * head_bytes % 16 == 0 && matrix.rows * head_bytes % 16 == 0;
  });
  return fits;
}

bool aligned(const ExpertWeights& expert) {
  return aligned(expert.gate) && aligned(expert.up) && aligned(expert.down);
}

}  // namespace

bool run_expert_slabs(const ExpertSlabs& experts, const ExpertGrid& grid) {
  const ExpertWeights& first = experts.first;
  const SharedExpert* shared = experts.shared;
  if (!device::has_dependent_launch() || grid.num_tokens != 1 || !aligned(first) ||
      (shared != nullptr && !aligned(shared->weights)))
    return false;
  const int columns = static_cast<int>(first.gate.rows);
  GateUpSlabs gate_up = {.gate = experts.gate,
                         .up = experts.up,
                         .active = experts.active,
                         .input = experts.input,
                         .columns = columns,
                         .inner = experts.inner,
                         .max_active = grid.max_active};
  DownSlabs down = {.down = experts.down,
                    .active = experts.active,
                    .inner = experts.inner,
                    .num_outputs = static_cast<int>(first.down.rows),
                    .output = experts.output,
                    .num_blocks = columns / static_cast<int>(kActivationBlock),
                    .max_active = grid.max_active};
  if (shared != nullptr) {
    gate_up.shared_gate = weight_planes(shared->weights.gate);
    gate_up.shared_up = weight_planes(shared->weights.up);
    gate_up.shared_input = row_input(shared->input.in(ActivationFormat::kInt16));
    gate_up.shared_inner = shared->inner.f32;
    down.shared_down = weight_planes(shared->weights.down);
    down.shared_inner = shared->inner.f32;
    down.shared_output = shared->output.f32();
  }
  const auto launch = [&](const Shape& shape) {
    return device::Launch({.grid = shape.grid,
                           .block = dim3(kSlabThreads),
                           .stream = grid.stream,
                           .shared_bytes = shape.bytes,
                           .overlaps_previous = true});
  };
  with_codec(first.gate.dtype, [&]<class Codec>(Codec) {
    const SlabShape slab(gate_up.input.num_blocks);
    launch(shape_of<Codec, 2>(slab, columns, grid.max_active, shared != nullptr))(
        gate_up_kernel<Codec>, gate_up);
  });
  with_codec(first.down.dtype, [&]<class Codec>(Codec) {
    Shape shape = shape_of<Codec, 1>(
        SlabShape(down.num_blocks), down.num_outputs, grid.max_active, shared != nullptr);
    const size_t row_bytes = (StagedRows<Int16Rows>::bytes(1, down.num_blocks) + 127) / 128 * 128;
    shape.bytes += row_bytes;
    launch(shape)(down_kernel<Codec>, down, static_cast<int>(row_bytes));
  });
  return true;
}

}  // namespace shoal::kernels::cuda
