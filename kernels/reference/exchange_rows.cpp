#include <algorithm>

#include "kernels/ops/row_groups.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void map_ids(const MapIdsParams& params, const Exec&) {
  const int64_t num_topk = params.output.cols();
  int32_t* to = params.output.i32();
  std::fill_n(to, params.output.elements(), -1);
  if (params.ids.rows() == 0) return;
  const int32_t* from = params.ids.i32();
  for (int64_t pair = 0; pair < params.ids.elements(); ++pair) {
    const int32_t id = from[pair];
    if (id < 0) continue;
    const int64_t table = pair / num_topk / params.rows_per_table;
    to[pair] = params.table == nullptr ? id : params.table[table * params.num_ids + id];
  }
}

void place_pairs(const PlacePairsParams& params, const Exec&) {
  const int32_t* ids = params.ids.i32();
  for (int64_t pair = 0; pair < params.groups.num_pairs; ++pair) {
    int32_t& place = params.groups.slot_of_pair[pair];
    if (ids[pair] < 0) continue;
    const int64_t rank = place - params.groups.starts[ids[pair]];
    SHOAL_ASSERT(rank < params.capacity, "pair {} of {} in a group", rank, params.capacity);
    place = static_cast<int32_t>(ids[pair] * params.capacity + rank);
  }
}

void move_rows(const MoveRowsParams& params, const Exec&) {
  for (int64_t pair = 0; pair < params.num_pairs; ++pair) {
    if (params.to[pair] < 0) continue;
    SHOAL_ASSERT(params.from[pair] >= 0, "pair {} has a place and no row", pair);
    std::copy_n(params.input.row(params.from[pair]),
                params.input.cols(),
                params.output.row(params.to[pair]));
  }
}

}  // namespace shoal::kernels::reference
