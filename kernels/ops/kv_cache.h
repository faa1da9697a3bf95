// Where positions lie in the paged cache, for the CPU backends. Layout: kernels/ops/attention.h.
#pragma once
#include <cstdint>

#include "kernels/ops/attention.h"

namespace shoal::kernels {

// Floats from the beginning of cache.k (and of cache.v) to the head_dim values of one position.
inline int64_t kv_offset(const AttentionParams& params,
                         int sequence,
                         int kv_head,
                         int64_t position) {
  const int64_t block_size = params.cache.block_size;
  const int32_t* table = params.block_tables + int64_t{sequence} * params.block_table_stride;
  const int64_t block = table[position / block_size];
  const int64_t slot = position % block_size;
  return ((block * params.num_kv_heads + kv_head) * block_size + slot) * params.head_dim;
}

// Writes key and value row `token` of `sequence` at its position.
void store_kv(const AttentionParams& params, int sequence, int64_t token);

// Asserts the shapes and that every position has a place in its block table.
void check_attention(const AttentionParams& params);

}  // namespace shoal::kernels
