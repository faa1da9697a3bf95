#include "transport/dispatch_message.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;
using kernels::ActivationRows;

struct Header {
  uint32_t num_rows, num_pairs;
  uint32_t format;
  uint32_t sequence;
};
static_assert(sizeof(Header) == 16);

size_t index_bytes(size_t num_rows, size_t num_pairs) {
  return ((num_rows + num_pairs) * sizeof(uint16_t) + 3) / 4 * 4;
}

// Bytes of a row's values and of its scales.
struct RowBytes {
  size_t values, scales;
};
RowBytes row_bytes_of(int64_t hidden_size, ActivationFormat format) {
  const auto hidden = static_cast<size_t>(hidden_size);
  return {hidden * activation_bytes(format),
          format == ActivationFormat::kF32
              ? 0
              : hidden / static_cast<size_t>(kernels::kActivationBlock) * sizeof(float)};
}

[[noreturn]] void refuse(int from_rank, const std::string& why) {
  throw Error(ExitCode::kRankLost,
              fmt::format("dispatch message from rank {}: {}", from_rank, why));
}

}  // namespace

size_t activation_bytes(ActivationFormat format) {
  switch (format) {
    case ActivationFormat::kF32:
      return sizeof(float);
    case ActivationFormat::kInt16:
      return sizeof(int16_t);
    case ActivationFormat::kInt8:
      return sizeof(int8_t);
  }
  SHOAL_ASSERT(false, "activation format {}", static_cast<int>(format));
}

size_t dispatch_message_bytes(size_t num_rows,
                              size_t num_pairs,
                              int64_t hidden_size,
                              ActivationFormat format) {
  const RowBytes row = row_bytes_of(hidden_size, format);
  return sizeof(Header) + index_bytes(num_rows, num_pairs) + num_rows * (row.values + row.scales);
}

void encode_dispatch(const ActivationRows& rows,
                     const RoutingTable::Destination& destination,
                     uint32_t sequence,
                     std::byte* out) {
  const size_t num_rows = destination.tokens.size(), num_pairs = destination.pairs.size();
  const Header header{static_cast<uint32_t>(num_rows),
                      static_cast<uint32_t>(num_pairs),
                      static_cast<uint32_t>(rows.format),
                      sequence};
  std::memcpy(out, &header, sizeof header);
  std::byte* const index = out + sizeof header;
  std::memset(index, 0, index_bytes(num_rows, num_pairs));
  auto* const counts = reinterpret_cast<uint16_t*>(index);
  uint16_t* const experts = counts + num_rows;
  for (size_t i = 0; i < num_pairs; ++i) {
    ++counts[destination.pairs[i].row];
    experts[i] = static_cast<uint16_t>(destination.pairs[i].local_expert_idx);
  }
  const RowBytes row = row_bytes_of(rows.cols, rows.format);
  std::byte* const values = index + index_bytes(num_rows, num_pairs);
  std::byte* const scales = values + num_rows * row.values;
  const auto* const from_values = static_cast<const std::byte*>(rows.values);
  const auto* const from_scales = reinterpret_cast<const std::byte*>(rows.scales);
  for (size_t i = 0; i < num_rows; ++i) {
    const auto token = static_cast<size_t>(destination.tokens[i]);
    std::memcpy(values + i * row.values, from_values + token * row.values, row.values);
    if (row.scales > 0)
      std::memcpy(scales + i * row.scales, from_scales + token * row.scales, row.scales);
  }
}

ActivationRows decode_dispatch(std::span<const std::byte> message,
                               const DispatchTerms& terms,
                               int from_rank,
                               std::vector<RowExpertPair>& pairs) {
  Header header;
  if (message.size() < sizeof header)
    refuse(from_rank, fmt::format("{} bytes are shorter than a header", message.size()));
  std::memcpy(&header, message.data(), sizeof header);
  if (header.sequence != terms.sequence)
    refuse(
        from_rank,
        fmt::format("it is for dispatch {}, this rank is at {}", header.sequence, terms.sequence));
  if (header.format != static_cast<uint32_t>(terms.format))
    refuse(from_rank,
           fmt::format("row format {}, not {}", header.format, static_cast<int>(terms.format)));
  if (header.num_rows > static_cast<uint32_t>(terms.max_rows) ||
      header.num_pairs > uint64_t{header.num_rows} * static_cast<uint64_t>(terms.num_topk))
    refuse(from_rank, fmt::format("{} rows, {} pairs", header.num_rows, header.num_pairs));
  const size_t wanted =
      dispatch_message_bytes(header.num_rows, header.num_pairs, terms.hidden_size, terms.format);
  if (message.size() != wanted)
    refuse(from_rank, fmt::format("{} bytes, not {}", message.size(), wanted));

  const std::byte* const index = message.data() + sizeof header;
  const auto* const counts = reinterpret_cast<const uint16_t*>(index);
  const uint16_t* const experts = counts + header.num_rows;
  pairs.clear();
  for (uint32_t row = 0; row < header.num_rows; ++row) {
    if (counts[row] > header.num_pairs - pairs.size()) refuse(from_rank, "more experts than pairs");
    for (uint16_t i = 0; i < counts[row]; ++i) {
      const uint16_t expert = experts[pairs.size()];
      if (expert >= terms.num_local_experts)
        refuse(from_rank, fmt::format("expert {} of {}", expert, terms.num_local_experts));
      pairs.push_back({static_cast<int32_t>(row), expert});
    }
  }
  if (pairs.size() != header.num_pairs) refuse(from_rank, "fewer experts than pairs");

  const std::byte* const values = index + index_bytes(header.num_rows, header.num_pairs);
  const RowBytes row = row_bytes_of(terms.hidden_size, terms.format);
  ActivationRows rows;
  rows.format = terms.format;
  rows.rows = header.num_rows;
  rows.cols = terms.hidden_size;
  rows.values = values;
  if (row.scales > 0)
    rows.scales = reinterpret_cast<const float*>(values + header.num_rows * row.values);
  return rows;
}

}  // namespace shoal::transport
