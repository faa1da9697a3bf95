#include "kernels/ops/kv_cache.h"

#include <algorithm>

#include "kernels/lanes.h"
#include "runtime/base/check.h"

namespace shoal::kernels {

void store_kv(const AttentionParams& params, int sequence, int64_t token) {
  const int dim = params.head_dim;
  for (int h = 0; h < params.num_kv_heads; ++h) {
    const int64_t to = kv_offset(params, sequence, h, params.positions.i32()[token]);
    std::copy_n(params.key.row(token) + h * dim, dim, params.cache.k + to);
    std::copy_n(params.value.row(token) + h * dim, dim, params.cache.v + to);
  }
}

void check_attention(const AttentionParams& params) {
  SHOAL_ASSERT(params.num_kv_heads > 0 && params.num_heads % params.num_kv_heads == 0,
               "{} query heads on {} KV heads",
               params.num_heads,
               params.num_kv_heads);
  SHOAL_ASSERT(params.head_dim > 0 && params.head_dim % kLanes == 0 &&
                   params.query_stride >= params.head_dim,
               "head_dim {}, query_stride {}",
               params.head_dim,
               params.query_stride);
  SHOAL_ASSERT(params.cache.block_size > 0 && kAttentionSplit % params.cache.block_size == 0,
               "block_size {}",
               params.cache.block_size);
  const int64_t room = int64_t{params.block_table_stride} * params.cache.block_size;
  for (int64_t t = 0; t < params.query.rows(); ++t) {
    const int32_t position = params.positions.i32()[t];
    SHOAL_ASSERT(position >= 0 && position < room, "position {} of {}", position, room);
  }
}

}  // namespace shoal::kernels
