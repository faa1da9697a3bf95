// The bytes of one dispatch message, from one rank to another:
//   16-byte header | per row: u16 number of experts | per pair: u16 local expert idx | pad to 4
//   | values [rows, hidden] | scales [rows, hidden / 32] f32, quantised rows only
// Block sums do not travel: scale * float(integer sum) has the same bits on both sides. Sent also
// without rows (16 bytes). Machine byte order: all ranks run the same program.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/ops/matmul.h"
#include "transport/routing_table.h"

namespace shoal::transport {

size_t activation_bytes(kernels::ActivationFormat format);  // of one element

size_t dispatch_message_bytes(size_t num_rows,
                              size_t num_pairs,
                              int64_t hidden_size,
                              kernels::ActivationFormat format);

// What both sides must agree on.
struct DispatchTerms {
  int64_t hidden_size = 0;
  int num_topk = 0;
  int num_local_experts = 0;  // of the receiver
  int max_rows = 0;           // from any one rank
  kernels::ActivationFormat format = kernels::ActivationFormat::kF32;
  uint32_t sequence = 0;  // counts dispatches: finds ranks that are out of step
};

// out: dispatch_message_bytes(...) bytes.
void encode_dispatch(const kernels::ActivationRows& rows,
                     const RoutingTable::Destination& destination,
                     uint32_t sequence,
                     std::byte* out);

// The rows point into `message`; their sums are null. `pairs` is overwritten. Throws Error when the
// message contradicts the terms.
kernels::ActivationRows decode_dispatch(std::span<const std::byte> message,
                                        const DispatchTerms& terms,
                                        int from_rank,
                                        std::vector<RowExpertPair>& pairs);

}  // namespace shoal::transport
