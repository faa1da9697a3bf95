#include "transport/expert_grouping.h"

#include <algorithm>
#include <cstring>

#include "transport/dispatch_message.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;
using kernels::kActivationBlock;

// Below this many bytes waking the pool costs more than the copies.
constexpr int64_t kParallelBytes = 256 * 1024;

// The same expression as quantize_rows: one rounding of an exact integer sum's product.
template <class Integer>
void block_sums(const Integer* values, const float* scales, int64_t num_blocks, float* sums) {
  for (int64_t block = 0; block < num_blocks; ++block) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kActivationBlock; ++i) sum += values[block * kActivationBlock + i];
    sums[block] = scales[block] * static_cast<float>(sum);
  }
}

}  // namespace

ExpertGrouping::ExpertGrouping(int num_local_experts, int64_t hidden_size)
    : hidden_size_(hidden_size),
      tokens_per_expert_(static_cast<size_t>(num_local_experts)),
      next_row_(static_cast<size_t>(num_local_experts)) {}

std::span<const int32_t> ExpertGrouping::row_map(int source) const {
  const size_t begin = first_pair_[static_cast<size_t>(source)];
  return {row_map_.data() + begin, first_pair_[static_cast<size_t>(source) + 1] - begin};
}

void ExpertGrouping::group(std::span<const Source> sources,
                           ActivationFormat format,
                           const Exec& exec) {
  std::fill(tokens_per_expert_.begin(), tokens_per_expert_.end(), 0);
  first_pair_.assign(1, 0);
  for (const Source& source : sources) {
    for (const RowExpertPair& pair : source.pairs)
      ++tokens_per_expert_[static_cast<size_t>(pair.local_expert_idx)];
    first_pair_.push_back(first_pair_.back() + source.pairs.size());
  }
  int32_t row = 0;
  for (size_t expert = 0; expert < next_row_.size(); ++expert) {
    next_row_[expert] = row;
    row += tokens_per_expert_[expert];
  }

  const size_t total = first_pair_.back();
  row_map_.resize(total);
  origins_.resize(total);
  size_t pair_idx = 0;
  for (size_t source = 0; source < sources.size(); ++source)
    for (const RowExpertPair& pair : sources[source].pairs) {
      const int32_t grouped = next_row_[static_cast<size_t>(pair.local_expert_idx)]++;
      row_map_[pair_idx++] = grouped;
      origins_[static_cast<size_t>(grouped)] = {static_cast<int32_t>(source), pair.row};
    }

  const size_t elements = total * static_cast<size_t>(hidden_size_);
  rows_ = {.format = format, .rows = static_cast<int64_t>(total), .cols = hidden_size_};
  rows_.values = values_.reserve(elements * activation_bytes(format));
  if (format != ActivationFormat::kF32) {
    const size_t blocks = elements / static_cast<size_t>(kActivationBlock);
    rows_.scales = reinterpret_cast<const float*>(scales_.reserve(blocks * sizeof(float)));
    rows_.sums = reinterpret_cast<const float*>(sums_.reserve(blocks * sizeof(float)));
  }

  const auto copy = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) copy_row(sources, i);
  };
  const auto count = static_cast<int64_t>(total);
  if (exec.pool != nullptr &&
      count * hidden_size_ * static_cast<int64_t>(activation_bytes(format)) >= kParallelBytes)
    exec.pool->parallel_for(count, 8, copy);
  else
    copy(0, count);
}

void ExpertGrouping::copy_row(std::span<const Source> sources, int64_t grouped_row) {
  const auto to = static_cast<size_t>(grouped_row);
  const Origin origin = origins_[to];
  const auto from = static_cast<size_t>(origin.row);
  const kernels::ActivationRows& source = sources[static_cast<size_t>(origin.source)].rows;
  const size_t bytes = static_cast<size_t>(hidden_size_) * activation_bytes(rows_.format);
  std::byte* const values = values_.data() + to * bytes;
  std::memcpy(values, static_cast<const std::byte*>(source.values) + from * bytes, bytes);
  if (rows_.format == ActivationFormat::kF32) return;

  const int64_t num_blocks = hidden_size_ / kActivationBlock;
  const size_t first_block = static_cast<size_t>(num_blocks);
  auto* const scales = reinterpret_cast<float*>(scales_.data()) + to * first_block;
  auto* const sums = reinterpret_cast<float*>(sums_.data()) + to * first_block;
  std::memcpy(scales, source.scales + from * first_block, first_block * sizeof(float));
  if (rows_.format == ActivationFormat::kInt8)
    block_sums(reinterpret_cast<const int8_t*>(values), scales, num_blocks, sums);
  else
    block_sums(reinterpret_cast<const int16_t*>(values), scales, num_blocks, sums);
}

}  // namespace shoal::transport
