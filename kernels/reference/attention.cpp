#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/lanes.h"
#include "kernels/math.h"
#include "kernels/ops/kv_cache.h"
#include "kernels/reference/reference_ops.h"

namespace shoal::kernels::reference {
namespace {

struct Partial {
  float max = 0.0f;
  float sum = 0.0f;
  std::vector<float> acc;  // [head_dim]
};

struct Query {
  const AttentionParams& params;
  int sequence;
  int kv_head;
  const float* values;  // [head_dim]

  const float* at(const float* cache, int64_t position) const {
    return cache + kv_offset(params, sequence, kv_head, position);
  }

  Partial split(int64_t begin, int64_t end) const {
    const int dim = params.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    const int count = static_cast<int>(end - begin);
    std::array<float, kAttentionSplit> w{};
    for (int i = 0; i < count; ++i)
      w[i] = lane_dot(values, at(params.cache.k, begin + i), dim) * scale;
    Partial out;
    out.max = w[0];
    for (int i = 0; i < count; ++i) out.max = w[i] > out.max ? w[i] : out.max;
    for (int i = 0; i < count; ++i) w[i] = exp_f32(w[i] - out.max);
    out.sum = lane_sum(w.data(), count);
    out.acc.assign(dim, 0.0f);
    for (int i = 0; i < count; ++i) {
      const float* v = at(params.cache.v, begin + i);
      for (int d = 0; d < dim; ++d) out.acc[d] = std::fma(w[i], v[d], out.acc[d]);
    }
    return out;
  }
};

void merge_splits(Partial& total, const Partial& split) {
  const float max = split.max > total.max ? split.max : total.max;
  const float keep = exp_f32(total.max - max);
  const float add = exp_f32(split.max - max);
  total.max = max;
  total.sum = std::fma(total.sum, keep, split.sum * add);
  for (size_t d = 0; d < total.acc.size(); ++d)
    total.acc[d] = std::fma(total.acc[d], keep, split.acc[d] * add);
}

void attend(const Query& query, int64_t length, float* output) {
  Partial total = query.split(0, std::min<int64_t>(length, kAttentionSplit));
  for (int64_t begin = kAttentionSplit; begin < length; begin += kAttentionSplit)
    merge_splits(total, query.split(begin, std::min<int64_t>(length, begin + kAttentionSplit)));
  const float inverse = 1.0f / total.sum;
  for (size_t d = 0; d < total.acc.size(); ++d) output[d] = total.acc[d] * inverse;
}

}  // namespace

void attention(const AttentionParams& params, const Exec&) {
  check_attention(params);
  const int group = params.num_heads / params.num_kv_heads;
  for (int s = 0; s < params.num_sequences; ++s) {
    const int32_t* starts = params.sequence_starts.i32();
    for (int64_t t = starts[s]; t < starts[s + 1]; ++t) store_kv(params, s, t);
    for (int64_t t = starts[s]; t < starts[s + 1]; ++t) {
      for (int h = 0; h < params.num_heads; ++h) {
        const Query query{params, s, h / group, params.query.row(t) + h * params.query_stride};
        attend(query, params.positions.i32()[t] + 1, params.output.row(t) + h * params.head_dim);
      }
    }
  }
}

}  // namespace shoal::kernels::reference
