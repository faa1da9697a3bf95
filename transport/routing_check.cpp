#include "transport/routing_check.h"

#include "runtime/base/check.h"

namespace shoal::transport {

void check_routing(const Routing& routing, const AllToAllShape& shape) {
  const auto& rows = routing.rows;
  SHOAL_ASSERT(
      rows.rows <= routing.token_capacity && routing.token_capacity <= shape.max_token_capacity,
      "{} rows, capacity {}, at most {}",
      rows.rows,
      routing.token_capacity,
      shape.max_token_capacity);
  if (rows.rows == 0) return;
  SHOAL_ASSERT(rows.cols == shape.hidden_size, "{} columns of {}", rows.cols, shape.hidden_size);
  SHOAL_ASSERT(rows.format == kernels::ActivationFormat::kF32 ||
                   (rows.cols % kernels::kActivationBlock == 0 && rows.scales != nullptr),
               "quantised rows of {} columns need whole blocks and scales",
               rows.cols);
  for (const TensorView& topk : {routing.topk_ids, routing.topk_weights})
    SHOAL_ASSERT(topk.rows() == rows.rows && topk.cols() == shape.num_topk,
                 "top-k of [{}, {}] for {} rows and k {}",
                 topk.rows(),
                 topk.cols(),
                 rows.rows,
                 shape.num_topk);
}

std::span<const int32_t> topk_ids_of(const Routing& routing) {
  if (routing.rows.rows == 0) return {};
  return {routing.topk_ids.i32(), static_cast<size_t>(routing.topk_ids.elements())};
}

std::span<const float> topk_weights_of(const Routing& routing) {
  if (routing.rows.rows == 0) return {};
  return {routing.topk_weights.f32(), static_cast<size_t>(routing.topk_weights.elements())};
}

}  // namespace shoal::transport
