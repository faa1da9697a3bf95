// Dense products of one or two rows by slabs (slab_product.cuh): a thread block a processor walks
// the slabs of all matrices of a launch, a ring of them on their way into its shared memory. It
// takes less than half a processor, so that the next kernel's slabs can be on their way too.
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/slab_product.cuh"

namespace shoal::kernels::cuda {
namespace {

constexpr int kBatch = 2;  // slabs between two barriers
constexpr int kRingBytes = 72 << 10;

template <class Codec>
constexpr int kStages = std::min(8, kRingBytes / Slab<Codec>::kBytes / kBatch * kBatch);

// What a slab is of.
struct Place {
  const Matrix* matrix;
  int first_row, rows;
};

__device__ Place place_of(const Call& call, const SlabShape& shape, int slab) {
  const Matrix& matrix = call.matrices.of_block(slab);
  const int whole = shape.rows();
  const int first = (slab - matrix.first_block) * whole;
  return {&matrix, first, min(whole, matrix.num_outputs - first)};
}

template <class Codec>
__device__ void request(
    const Call& call, const SlabShape& shape, int slab, uint8_t* stage, Arrival* arrival) {
  const Place place = place_of(call, shape, slab);
  const int num_blocks = shape.num_blocks;
  expect_bytes(arrival, slab_bytes<Codec>(place.rows, num_blocks));
  copy_slab<Codec>(stage, place.matrix->weight, place.first_row, place.rows, num_blocks, arrival);
}

// Where the terms of the batches go: slab b and token t of two batches in turn, because one may
// still be chained while the next is made.
template <class Codec, int kTokens>
struct BatchTerms {
  uint8_t* memory;
  SlabShape shape;

  __device__ SlabTerms<Codec> of(int b, int t) const {
    const int place = (b * kTokens + t) * SlabTerms<Codec>::bytes(shape);
    return {reinterpret_cast<float2*>(memory + place), shape};
  }
  static __host__ __device__ int bytes(const SlabShape& shape) {
    return kBatch * kTokens * SlabTerms<Codec>::bytes(shape);
  }
};

// Sums of a batch's rows, eight threads each.
template <class Codec, int kTokens>
__device__ void store_batch(const Call& call,
                            int first_slab,
                            int num_slabs,
                            const BatchTerms<Codec, kTokens>& terms) {
  const int rows = terms.shape.rows();
  for (int part = threadIdx.x / kLanes; part < kBatch * kTokens * rows;
       part += kSlabThreads / kLanes) {
    const int row = part & (rows - 1), slab_token = part / rows;
    const int t = slab_token % kTokens, b = slab_token / kTokens;
    const float sum = terms.of(b, t).row(row);
    const int slab = first_slab + b * static_cast<int>(gridDim.x);
    if (slab >= num_slabs || t >= call.num_tokens || threadIdx.x % kLanes != 0) continue;
    const Place place = place_of(call, terms.shape, slab);
    if (row < place.rows)
      place.matrix
          ->output[static_cast<int64_t>(t) * place.matrix->num_outputs + place.first_row + row] =
          sum;
  }
}

template <class Codec, int kTokens>
__global__ void __launch_bounds__(kSlabThreads, kTokens == 1 ? 2 : 1)
    slabs_kernel(const __grid_constant__ Call call, int num_slabs) {
  extern __shared__ uint4 shared[];
  __shared__ Arrival arrivals[kStages<Codec>];
  auto* const ring = reinterpret_cast<uint8_t*>(shared);
  const SlabShape shape(call.input.num_blocks);
  const int step = gridDim.x;
  const auto request_into = [&](int stage, int slab) {
    if (slab < num_slabs)
      request<Codec>(call, shape, slab, ring + stage * Slab<Codec>::kBytes, arrivals + stage);
  };
  if (threadIdx.x == 0) {
    make_arrivals(arrivals, kStages<Codec>);
#pragma unroll 1
    for (int s = 0; s < kStages<Codec>; ++s) request_into(s, blockIdx.x + s * step);
  }
  wait_for_inputs();
  InputBlock<Int16Rows> x[kTokens];
#pragma unroll
  for (int t = 0; t < kTokens; ++t)
    x[t].load(call.input, min(t, call.num_tokens - 1) * shape.num_blocks + shape.block());
  __syncthreads();  // the arrivals are made before others wait for them
  const int batch_bytes = BatchTerms<Codec, kTokens>::bytes(shape);
  BatchTerms<Codec, kTokens> terms = {ring + kStages<Codec> * Slab<Codec>::kBytes, shape};
  BatchTerms<Codec, kTokens> other = {terms.memory + batch_bytes, shape};
  int stage = 0;
  unsigned parity = 0;
  for (int slab = blockIdx.x; slab < num_slabs; slab += kBatch * step) {
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      if (slab + b * step >= num_slabs) break;
      await_arrival(arrivals + stage + b, parity);
      put_terms<Codec>(ring + (stage + b) * Slab<Codec>::kBytes, x, shape, [&](int t) {
        return terms.of(b, t);
      });
    }
    __syncthreads();  // terms are whole, stages have been read
    if (threadIdx.x == 0)
      for (int b = 0; b < kBatch; ++b) request_into(stage + b, slab + (kStages<Codec> + b) * step);
    store_batch(call, slab, num_slabs, terms);
    uint8_t* const used = terms.memory;
    terms.memory = other.memory;
    other.memory = used;
    stage += kBatch;
    if (stage == kStages<Codec>) stage = 0, parity ^= 1;
  }
}

int num_processors() {
  int device = 0, processors = 0;
  device::cuda_check(cudaGetDevice(&device), "cudaGetDevice");
  device::cuda_check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
                     "cudaDeviceGetAttribute");
  return processors;
}

template <class Codec, int kTokens>
void launch(Launcher& launcher) {
  const SlabShape shape(launcher.call.input.num_blocks);
  launcher.cut_into_groups(shape.rows());
  const size_t bytes = kStages<Codec> * size_t{Slab<Codec>::kBytes} +
                       2 * static_cast<size_t>(BatchTerms<Codec, kTokens>::bytes(shape));
  const int blocks = std::min(launcher.num_blocks, num_processors());
  device::Launch({.grid = dim3(static_cast<unsigned>(blocks)),
                  .block = dim3(kSlabThreads),
                  .stream = launcher.stream,
                  .shared_bytes = bytes,
                  .overlaps_previous = true})(
      slabs_kernel<Codec, kTokens>, launcher.call, launcher.num_blocks);
}

// Bulk copies are 16-byte aligned: so must whole slabs be, and what is left of a matrix.
template <class Codec>
bool aligned(const Launcher& launcher) {
  const int num_blocks = launcher.call.input.num_blocks;
  const int head_bytes = num_blocks / 8 * Codec::kHead256;
  const int rows = SlabShape(num_blocks).rows();
  for (int m = 0; m < launcher.call.matrices.count; ++m) {
    const Matrix& matrix = launcher.call.matrices.matrix[m];
    if (reinterpret_cast<uintptr_t>(matrix.weight.bodies) % 16 != 0 ||
        reinterpret_cast<uintptr_t>(matrix.weight.heads) % 16 != 0 ||
        matrix.num_outputs % rows * head_bytes % 16 != 0)
      return false;
  }
  return rows * head_bytes % 16 == 0;
}

}  // namespace

bool launch_dense_slabs(Launcher& launcher, DType dtype) {
  if (!device::has_dependent_launch() || !fits_slabs(launcher.call.input.num_blocks)) return false;
  bool taken = false;
  with_codec(dtype, [&]<class Codec>(Codec) {
    taken = aligned<Codec>(launcher);
    if (taken) (launcher.call.num_tokens == 1 ? launch<Codec, 1> : launch<Codec, 2>)(launcher);
  });
  return taken;
}

}  // namespace shoal::kernels::cuda
