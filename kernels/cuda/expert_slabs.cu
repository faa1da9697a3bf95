// Experts of few rows each by slabs (slab_product.cuh): two launches, in each of which a thread
// block asks for all its weights at once and walks the expert's rows one or two at a time. What
// lies between them stays f32; every thread block of the second launch quantises the rows that it
// needs, the same integers each time.
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
// Slabs between two barriers.
template <int kTokens>
constexpr int kBatch = kTokens == 1 ? 2 : 1;
constexpr int kWeightBytes = 74 << 10;

// Slabs of each of `matrices` that a thread block takes.
template <class Codec>
constexpr int slabs_a_block(int matrices) {
  return std::min(4, kWeightBytes / (matrices * Slab<Codec>::kBytes));
}

struct GateUpSlabs {
  ExpertPlanes gate, up;
  GroupTable groups;
  RowInput input;  // int8 rows, one a token
  int columns;
  float* inner;  // [slots, columns]
  WeightPlanes shared_gate, shared_up;
  RowInput shared_input;  // the same as int16
  float* shared_inner;    // [tokens, columns]
  int num_tokens;
  int max_active;
};

struct DownSlabs {
  ExpertPlanes down;
  GroupTable groups;
  const float* inner;
  int num_outputs;
  float* output;  // [slots, num_outputs]
  WeightPlanes shared_down;
  const float* shared_inner;
  float* shared_output;
  int num_blocks;  // of an inner row
  int num_tokens;
  int max_active;
};

// The slabs [first, first + count) of kMatrices matrices of equal shape, matrix after matrix inside
// a slab.
template <class Codec, int kMatrices, int kTokens>
class Slabs {
 public:
  static constexpr int kMaxCount = slabs_a_block<Codec>(kMatrices);

  static size_t bytes(const SlabShape& shape) {
    return size_t{kMaxCount} * kMatrices * Slab<Codec>::kBytes +
           static_cast<size_t>(kSums * SlabTerms<Codec>::bytes(shape));
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

  // take(row, matrix, token, product) for each product, by eight neighbouring threads; the products
  // of a row and a token are made by neighbouring eights.
  template <class Rows, class Take>
  __device__ void multiply(const InputBlock<Rows> (&x)[kTokens], const Take& take) const {
    for (int begin = 0; begin < kMaxCount; begin += kBatch<kTokens>) {
      if (first_row_ + begin * shape_.rows() >= num_rows_) return;
#pragma unroll
      for (int b = 0; b < kBatch<kTokens>; ++b) {
        const int s = begin + b;
        if (s >= kMaxCount || first_row_ + s * shape_.rows() >= num_rows_) break;
        await_arrival(arrivals_ + s, 0);
#pragma unroll
        for (int m = 0; m < kMatrices; ++m)
          put_terms<Codec>(weights(s, m), x, shape_, [&](int t) { return terms(b, m, t); });
      }
      __syncthreads();  // the terms are whole before they are chained
      for (int part = threadIdx.x / kLanes; part < kSums * shape_.rows();
           part += kSlabThreads / kLanes) {
        const int m = part % kMatrices;
        const int row = part / kMatrices & (shape_.rows() - 1);
        const int slab_token = part / kMatrices >> shape_.log2_rows();
        const int t = slab_token % kTokens, b = slab_token / kTokens;
        take(first_row_ + (begin + b) * shape_.rows() + row, m, t, terms(b, m, t).row(row));
      }
      __syncthreads();  // they have been read before the next batch writes them
    }
  }

 private:
  static constexpr int kSums = kBatch<kTokens> * kMatrices * kTokens;  // of a row

  __device__ uint8_t* weights(int slab, int matrix) const {
    return weights_ + (slab * kMatrices + matrix) * Slab<Codec>::kBytes;
  }
  __device__ SlabTerms<Codec> terms(int b, int matrix, int token) const {
    uint8_t* const first = weights(kMaxCount, 0);
    const int place =
        ((b * kMatrices + matrix) * kTokens + token) * SlabTerms<Codec>::bytes(shape_);
    return {reinterpret_cast<float2*>(first + place), shape_};
  }

  uint8_t* weights_;
  Arrival* arrivals_;
  SlabShape shape_;
  int num_rows_, first_row_;
};

// Rows [rows.x, rows.y) of `inner`; row_of(row) is the input row that one is made from.
template <class Rows, class Codec, int kTokens, class RowOf>
__device__ void store_inner(const Slabs<Codec, 2, kTokens>& slabs,
                            const RowInput& input,
                            int2 rows,
                            const RowOf& row_of,
                            int columns,
                            float* inner) {
  const SlabShape shape(input.num_blocks);
  for (int begin = rows.x; begin < rows.y; begin += kTokens) {
    InputBlock<Rows> x[kTokens];
#pragma unroll
    for (int t = 0; t < kTokens; ++t)
      x[t].load(input, row_of(min(begin + t, rows.y - 1)) * shape.num_blocks + shape.block());
    slabs.multiply(x, [&](int column, int matrix, int t, float product) {
      const float up = __shfl_xor_sync(kWholeWarp, product, kLanes);
      if (matrix == 0 && threadIdx.x % kLanes == 0 && column < columns && begin + t < rows.y)
        inner[static_cast<int64_t>(begin + t) * columns + column] = silu(product) * up;
    });
  }
}

// Grid: (pieces of the columns, active experts and then the shared expert's pieces).
template <class Codec, int kTokens>
__global__ void __launch_bounds__(kSlabThreads, 2)
    gate_up_kernel(const __grid_constant__ GateUpSlabs call) {
  extern __shared__ uint4 shared[];
  __shared__ Arrival arrivals[4];
  const SlabShape shape(call.input.num_blocks);
  const int place = static_cast<int>(blockIdx.y);
  if (place >= call.max_active) {
    const int piece = (place - call.max_active) * gridDim.x + blockIdx.x;
    const Slabs<SharedCodec, 2, kTokens> slabs(shared, arrivals, shape, call.columns, piece);
    slabs.request({call.shared_gate, call.shared_up});
    wait_for_inputs();
    store_inner<Int16Rows>(
        slabs,
        call.shared_input,
        make_int2(0, call.num_tokens),
        [](int row) { return row; },
        call.columns,
        call.shared_inner);
    return;
  }
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const Slabs<Codec, 2, kTokens> slabs(shared, arrivals, shape, call.columns, blockIdx.x);
  slabs.request({call.gate.of(group.expert), call.up.of(group.expert)});
  store_inner<Int8Rows>(
      slabs,
      call.input,
      make_int2(group.first_slot, group.first_slot + group.num_rows),
      [&](int slot) { return call.groups.row_of_slot[slot]; },
      call.columns,
      call.inner);
}

// A row as int16 in shared memory, by all warps; a barrier must follow.
__device__ void quantize_inner(const StagedRows<Int16Rows>& x, int place, const float* row) {
  for (int block = threadIdx.x / 32; block < x.num_blocks; block += kSlabThreads / 32) {
    const QuantizedColumn column =
        quantize_column(row[block * kActivationBlock + threadIdx.x % 32], kInt16Limit);
    const int to = place * x.num_blocks + block;
    reinterpret_cast<int16_t*>(x.values +
                               to * StagedRows<Int16Rows>::kWordsABlock)[threadIdx.x % 32] =
        static_cast<int16_t>(column.value);
    if (threadIdx.x % 32 == 0) {
      x.scales[to] = column.scale;
      x.sums[to] = column.sum;
    }
  }
}

// Rows [rows.x, rows.y) of `inner` to the same rows of `output`.
template <class Codec, int kTokens>
__device__ void store_outputs(const Slabs<Codec, 1, kTokens>& slabs,
                              void* staged,
                              const float* inner,
                              int2 rows,
                              const SlabShape& shape,
                              int num_outputs,
                              float* output) {
  const StagedRows<Int16Rows> row(staged, kTokens, shape.num_blocks);
  const int columns = shape.num_blocks * static_cast<int>(kActivationBlock);
  for (int begin = rows.x; begin < rows.y; begin += kTokens) {
#pragma unroll
    for (int t = 0; t < kTokens; ++t)
      quantize_inner(row, t, inner + static_cast<int64_t>(min(begin + t, rows.y - 1)) * columns);
    __syncthreads();  // the rows are whole before all take their blocks
    InputBlock<Int16Rows> x[kTokens];
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const int from = t * shape.num_blocks + shape.block();
#pragma unroll
      for (int i = 0; i < Int16Rows::kWords; ++i)
        x[t].words[i] = row.values[from * StagedRows<Int16Rows>::kWordsABlock + i];
      x[t].scale = row.scales[from];
      x[t].sum = row.sums[from];
    }
    slabs.multiply(x, [&](int out, int, int t, float product) {
      if (threadIdx.x % kLanes == 0 && out < num_outputs && begin + t < rows.y)
        output[static_cast<int64_t>(begin + t) * num_outputs + out] = product;
    });
  }
}

// Grid: (pieces of the outputs, active experts and then the shared expert's pieces). Launched right
// after gate_up_kernel, so the groups, which are older, and the weights may be read at once.
template <class Codec, int kTokens>
__global__ void __launch_bounds__(kSlabThreads, 2)
    down_kernel(const __grid_constant__ DownSlabs call, int staged_bytes) {
  extern __shared__ uint4 shared[];
  __shared__ Arrival arrivals[4];
  const SlabShape shape(call.num_blocks);
  void* const weights = reinterpret_cast<uint8_t*>(shared) + staged_bytes;
  const int place = static_cast<int>(blockIdx.y);
  if (place >= call.max_active) {
    const int piece = (place - call.max_active) * gridDim.x + blockIdx.x;
    const Slabs<SharedCodec, 1, kTokens> slabs(weights, arrivals, shape, call.num_outputs, piece);
    slabs.request({call.shared_down});
    wait_for_inputs();
    return store_outputs(slabs,
                         shared,
                         call.shared_inner,
                         make_int2(0, call.num_tokens),
                         shape,
                         call.num_outputs,
                         call.shared_output);
  }
  const ActiveRows group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const Slabs<Codec, 1, kTokens> slabs(weights, arrivals, shape, call.num_outputs, blockIdx.x);
  slabs.request({call.down.of(group.expert)});
  wait_for_inputs();
  store_outputs(slabs,
                shared,
                call.inner,
                make_int2(group.first_slot, group.first_slot + group.num_rows),
                shape,
                call.num_outputs,
                call.output);
}

// Grid and shared memory for both kinds of experts.
struct Shape {
  dim3 grid;
  size_t bytes;
};

template <class Codec, int kMatrices, int kTokens>
Shape shape_of(const SlabShape& slab, int rows, int max_active, bool has_shared) {
  using Own = Slabs<Codec, kMatrices, kTokens>;
  using OfShared = Slabs<SharedCodec, kMatrices, kTokens>;
  const int across = Own::blocks_of(slab, rows);
  const int places =
      max_active + (has_shared ? (OfShared::blocks_of(slab, rows) + across - 1) / across : 0);
  return {dim3(static_cast<unsigned>(across), static_cast<unsigned>(places)),
          std::max(Own::bytes(slab), has_shared ? OfShared::bytes(slab) : 0)};
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

struct Types {
  DType gate_up, down;
  bool has_shared;
};

template <int kTokens>
void launch_both(const GateUpSlabs& gate_up,
                 const DownSlabs& down,
                 const Types& types,
                 Stream stream) {
  const auto launch = [&](const Shape& shape) {
    return device::Launch({.grid = shape.grid,
                           .block = dim3(kSlabThreads),
                           .stream = stream,
                           .shared_bytes = shape.bytes,
                           .overlaps_previous = true});
  };
  with_codec(types.gate_up, [&]<class Codec>(Codec) {
    const SlabShape slab(gate_up.input.num_blocks);
    launch(
        shape_of<Codec, 2, kTokens>(slab, gate_up.columns, gate_up.max_active, types.has_shared))(
        gate_up_kernel<Codec, kTokens>, gate_up);
  });
  with_codec(types.down, [&]<class Codec>(Codec) {
    Shape shape = shape_of<Codec, 1, kTokens>(
        SlabShape(down.num_blocks), down.num_outputs, down.max_active, types.has_shared);
    const size_t staged_bytes =
        (StagedRows<Int16Rows>::bytes(kTokens, down.num_blocks) + 127) / 128 * 128;
    shape.bytes += staged_bytes;
    launch(shape)(down_kernel<Codec, kTokens>, down, static_cast<int>(staged_bytes));
  });
}

}  // namespace

bool run_expert_slabs(const ExpertSlabs& experts, const ExpertGrid& grid) {
  const ExpertWeights& first = experts.first;
  const SharedExpert* shared = experts.shared;
  if (!device::has_dependent_launch() || !aligned(first) ||
      (shared != nullptr && !aligned(shared->weights)))
    return false;
  const int columns = static_cast<int>(first.gate.rows);
  GateUpSlabs gate_up = {.gate = experts.gate,
                         .up = experts.up,
                         .groups = experts.groups,
                         .input = experts.input,
                         .columns = columns,
                         .inner = experts.inner,
                         .num_tokens = static_cast<int>(grid.num_tokens),
                         .max_active = grid.max_active};
  DownSlabs down = {.down = experts.down,
                    .groups = experts.groups,
                    .inner = experts.inner,
                    .num_outputs = static_cast<int>(first.down.rows),
                    .output = experts.output,
                    .num_blocks = columns / static_cast<int>(kActivationBlock),
                    .num_tokens = static_cast<int>(grid.num_tokens),
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
  const Types types = {first.gate.dtype, first.down.dtype, shared != nullptr};
  (grid.num_tokens == 1 ? launch_both<1> : launch_both<2>)(gate_up, down, types, grid.stream);
  return true;
}

}  // namespace shoal::kernels::cuda
