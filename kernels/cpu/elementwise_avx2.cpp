#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "kernels/cpu/rows_per_piece.h"

namespace shoal::kernels::cpu {

void silu_mul(const SiluMulParams& params, const Exec& exec) {
  exec.pool->parallel_for(
      params.output.elements(), kFloatsPerPiece, [&](int64_t begin, int64_t end) {
        const float* gate = params.gate.f32() + begin;
        const float* up = params.up.f32() + begin;
        float* output = params.output.f32() + begin;
        for_each_vector(end - begin, [&](int64_t k, auto part) {
          part.store(output + k, _mm256_mul_ps(silu(part.load(gate + k)), part.load(up + k)));
        });
      });
}

void sigmoid_mul(const SigmoidMulParams& params, const Exec& exec) {
  const int64_t grain = rows_per_piece(params.values.cols());
  exec.pool->parallel_for(params.values.rows(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int h = 0; h < params.num_heads; ++h) {
        float* values = params.values.row(t) + h * params.dim;
        const float* gate = params.gate.row(t) + h * params.gate_stride + params.gate_offset;
        for_each_vector(params.dim, [&](int64_t d, auto part) {
          const __m256 factor = sigmoid(part.load(gate + d));
          part.store(values + d, _mm256_mul_ps(part.load(values + d), factor));
        });
      }
    }
  });
}

void add_scaled(const AddScaledParams& params, const Exec& exec) {
  const int64_t cols = params.output.cols();
  exec.pool->parallel_for(
      params.output.rows(), rows_per_piece(cols), [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const float* input = params.input.row(t);
          float* output = params.output.row(t);
          const __m256 scale =
              _mm256_set1_ps(params.gate == nullptr ? 1.0f : sigmoid(params.gate[t]));
          for_each_vector(cols, [&](int64_t k, auto part) {
            part.store(output + k,
                       _mm256_fmadd_ps(scale, part.load(input + k), part.load(output + k)));
          });
        }
      });
}

}  // namespace shoal::kernels::cpu
