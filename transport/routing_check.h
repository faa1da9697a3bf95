// Asserts that a Routing is what the exchange was made for. A caller's mistake is a bug.
#pragma once
#include "transport/expert_all_to_all.h"

namespace shoal::transport {

void check_routing(const Routing& routing, const AllToAllShape& shape);

// The routing's arrays as spans, [num_tokens * num_topk].
std::span<const int32_t> topk_ids_of(const Routing& routing);
std::span<const float> topk_weights_of(const Routing& routing);

}  // namespace shoal::transport
