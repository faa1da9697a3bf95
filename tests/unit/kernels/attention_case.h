// Sequences on a scattered paged cache, and calls that append chunks to them.
#pragma once
#include <algorithm>
#include <numeric>

#include "tests/unit/kernels/delta_net_case.h"

namespace shoal::kernels {

struct AttentionShape {
  int num_heads;
  int num_kv_heads;
  int head_dim;
  int query_stride;
  int block_size;
};

// One row a token: query [num_heads * query_stride], key and value [num_kv_heads * head_dim].
struct AttentionInputs {
  std::vector<float> query, key, value;
};

inline AttentionInputs random_inputs(const AttentionShape& shape, int rows, uint32_t seed) {
  const int64_t kv = int64_t{rows} * shape.num_kv_heads * shape.head_dim;
  return {random_floats(int64_t{rows} * shape.num_heads * shape.query_stride, seed),
          random_floats(kv, seed + 1),
          random_floats(kv, seed + 2)};
}

inline AttentionInputs slice(const AttentionShape& shape,
                             const AttentionInputs& all,
                             int begin,
                             int end) {
  auto rows = [&](const std::vector<float>& values, int64_t cols) {
    return std::vector<float>(values.begin() + begin * cols, values.begin() + end * cols);
  };
  const int64_t kv = int64_t{shape.num_kv_heads} * shape.head_dim;
  return {rows(all.query, int64_t{shape.num_heads} * shape.query_stride),
          rows(all.key, kv),
          rows(all.value, kv)};
}

class PagedCache {
 public:
  // Blocks of all sequences are shuffled by `seed`; a spare one in front is never used.
  PagedCache(const AttentionShape& shape, int num_sequences, int max_length, uint32_t seed)
      : shape_(shape), stride_((max_length + shape.block_size - 1) / shape.block_size) {
    tables_.resize(num_sequences * stride_);
    std::iota(tables_.begin(), tables_.end(), 1);
    std::shuffle(tables_.begin(), tables_.end(), std::mt19937(seed));
    const size_t block_floats = size_t(shape.num_kv_heads) * shape.block_size * shape.head_dim;
    k_.assign((tables_.size() + 1) * block_floats, 0.0f);
    v_ = k_;
  }

  // Appends lengths[s] rows to each sequence that already holds first_positions[s].
  std::vector<float> run(Machine& machine,
                         AttentionInputs inputs,
                         const std::vector<int>& lengths,
                         const std::vector<int>& first_positions) {
    std::vector<int32_t> starts = starts_of(lengths);
    std::vector<int32_t> positions;
    for (size_t s = 0; s < lengths.size(); ++s)
      for (int i = 0; i < lengths[s]; ++i) positions.push_back(first_positions[s] + i);
    const int64_t n = starts.back();
    const int64_t kv_cols = int64_t{shape_.num_kv_heads} * shape_.head_dim;
    std::vector<float> output(n * shape_.num_heads * shape_.head_dim);
    machine.run(&KernelTable::attention,
                {.query = view_f32(inputs.query.data(), n, shape_.num_heads * shape_.query_stride),
                 .key = view_f32(inputs.key.data(), n, kv_cols),
                 .value = view_f32(inputs.value.data(), n, kv_cols),
                 .num_heads = shape_.num_heads,
                 .num_kv_heads = shape_.num_kv_heads,
                 .head_dim = shape_.head_dim,
                 .query_stride = shape_.query_stride,
                 .cache = {.k = k_.data(), .v = v_.data(), .block_size = shape_.block_size},
                 .num_sequences = static_cast<int>(lengths.size()),
                 .sequence_starts = column(starts),
                 .positions = column(positions),
                 .block_tables = tables_.data(),
                 .block_table_stride = stride_,
                 .output = view_f32(output.data(), n, shape_.num_heads * shape_.head_dim)});
    return output;
  }

  const std::vector<float>& keys() const { return k_; }
  const std::vector<float>& values() const { return v_; }

 private:
  AttentionShape shape_;
  int stride_;
  std::vector<int32_t> tables_;  // [num_sequences, stride]
  std::vector<float> k_, v_;
};

}  // namespace shoal::kernels
