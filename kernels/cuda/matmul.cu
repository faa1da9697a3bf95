// Dense products: one matrix or several on the same rows. One or two rows go by rows, more by
// tiles; float weights have a way of their own, and so do types that neither takes.
#include "kernels/cuda/any_rows.cuh"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/op_checks.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int64_t kMaxRowTokens = 2;  // measured: tiles win from three rows on

// What the matrices of one call share.
struct Input {
  RowInput rows;
  const float* f32;
  int64_t num_tokens, cols;
};

void multiply(const Input& input, std::span<const Projection> projections, Stream stream) {
  // All matrices that `takes` names, in one launch.
  const auto run = [&](const auto& takes, const auto& launch) {
    Launcher launcher{.stream = stream};
    launcher.call.input = input.rows;
    launcher.call.f32 = input.f32;
    launcher.call.cols = static_cast<int>(input.cols);
    launcher.call.num_tokens = static_cast<int>(input.num_tokens);
    for (const Projection& projection : projections)
      if (projection.weight.rows > 0 && takes(projection.weight))
        launcher.add(projection.weight, projection.output.f32());
    if (launcher.call.matrices.count > 0) launch(launcher);
  };
  run([](const WeightView& weight) { return !is_quantized(weight.dtype); }, launch_dense_floats);
  for (const Projection& projection : projections)
    if (is_quantized(projection.weight.dtype) && !is_tuned(projection.weight))
      multiply_any(input.rows, input.num_tokens, projection, stream);
  if (input.num_tokens > kMaxRowTokens) return run(is_tuned, launch_dense_tiles);
  for (size_t i = 0; i < projections.size(); ++i) {
    const DType dtype = projections[i].weight.dtype;
    const auto same = [dtype](const WeightView& other) {
      return is_tuned(other) && other.dtype == dtype;
    };
    const auto begin = projections.begin();
    if (!is_tuned(projections[i].weight) ||
        std::any_of(begin, begin + static_cast<int64_t>(i), [&](const Projection& earlier) {
          return same(earlier.weight);
        }))
      continue;
    run(same, [dtype](Launcher& launcher) {
      if (!launch_dense_slabs(launcher, dtype)) launch_dense_rows(launcher, dtype);
    });
  }
}

}  // namespace

void matmul(const MatmulParams& params, const Exec& exec) {
  check_matmul(params);
  const ActivationRows& input = params.input;
  if (input.rows == 0) return;
  const Projection projection = {params.weight, params.output};
  multiply({.rows = row_input(input),
            .f32 = static_cast<const float*>(input.values),
            .num_tokens = input.rows,
            .cols = input.cols},
           {&projection, 1},
           exec.stream);
}

void project(const ProjectParams& params, const Exec& exec) {
  check_project(params, kMaxMatrices);
  if (params.input.rows == 0) return;
  const QuantizedRows& int16 = params.input.int16;
  multiply({.rows = {.values = int16.values,
                     .scales = int16.scales,
                     .sums = int16.sums,
                     .num_blocks = static_cast<int>(params.input.cols / kActivationBlock)},
            .f32 = params.input.f32,
            .num_tokens = params.input.rows,
            .cols = params.input.cols},
           params.projections,
           exec.stream);
}

}  // namespace shoal::kernels::cuda
