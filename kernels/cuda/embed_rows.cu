#include "kernels/cuda/any_rows.cuh"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/row_product.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 128;

struct Table {
  WeightPlanes weight;
  int64_t rows;
  int cols;

  __device__ bool holds(int32_t id) const { return id >= 0 && id < rows; }
};

// A thread block a token, a 32-block a thread.
template <class Codec>
__global__ void embed_kernel(const __grid_constant__ Table table,
                             const int32_t* ids,
                             float* output) {
  wait_for_inputs();
  const int32_t id = ids[blockIdx.x];
  float* out = output + static_cast<int64_t>(blockIdx.x) * table.cols;
  for (int j = threadIdx.x; j < table.cols / 32; j += kThreads) {
    WeightBlock w = {};
    if (table.holds(id)) {
      typename Codec::Raw raw;
      Codec::fetch(table.weight.template row<Codec>(id, table.cols / 32), j, raw);
      Codec::unpack(raw, j, w);
    } else {
      w.scale[0] = w.scale[1] = NAN;
    }
#pragma unroll
    for (int i = 0; i < 32; ++i) {
      const auto q = static_cast<int8_t>(w.q[i / 4] >> 8 * (i % 4));
      const float product = __fmul_rn(w.scale[i / Codec::kGroup], static_cast<float>(q));
      out[32 * j + i] = Codec::kHasMin ? __fsub_rn(product, w.min) : product;
    }
  }
}

template <class Weights>
__global__ void embed_float_kernel(const __grid_constant__ Table table,
                                   const int32_t* ids,
                                   float* output) {
  wait_for_inputs();
  const int32_t id = ids[blockIdx.x];
  const auto* row = reinterpret_cast<const typename Weights::Stored*>(table.weight.bodies) +
                    id * int64_t{table.cols};
  float* out = output + static_cast<int64_t>(blockIdx.x) * table.cols;
  for (int k = threadIdx.x; k < table.cols; k += kThreads)
    out[k] = table.holds(id) ? Weights::widen(row[k]) : NAN;
}

}  // namespace

void embed_rows(const EmbedRowsParams& params, const Exec& exec) {
  check_embed_rows(params);
  const WeightView& weight = params.table;
  const Table table = {
      .weight = weight_planes(weight), .rows = weight.rows, .cols = static_cast<int>(weight.cols)};
  const device::Launch launch({.grid = dim3(static_cast<unsigned>(params.token_ids.rows())),
                               .block = dim3(kThreads),
                               .stream = exec.stream,
                               .overlaps_previous = true});
  const int32_t* ids = params.token_ids.i32();
  float* output = params.output.f32();
  switch (weight.dtype) {
    case DType::kF32:
      return launch(embed_float_kernel<F32Weights>, table, ids, output);
    case DType::kF16:
      return launch(embed_float_kernel<F16Weights>, table, ids, output);
    case DType::kBF16:
      return launch(embed_float_kernel<BF16Weights>, table, ids, output);
    default:
      if (!is_tuned(weight)) return embed_any(params, exec.stream);
      with_codec(weight.dtype,
                 [&]<class Codec>(Codec) { launch(embed_kernel<Codec>, table, ids, output); });
  }
}

}  // namespace shoal::kernels::cuda
