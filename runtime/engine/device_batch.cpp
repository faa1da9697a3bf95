#include "runtime/engine/device_batch.h"

#include <algorithm>
#include <bit>

#include "runtime/base/check.h"

namespace shoal::engine {
namespace {

// Arrays begin at 16 bytes.
constexpr size_t kWords = 4;

size_t padded(int count) { return (static_cast<size_t>(count) + kWords - 1) / kWords * kWords; }

}  // namespace

DeviceBatch::Places DeviceBatch::places_of(const BatchShape& shape) {
  const std::array<size_t, kNumArrays> sizes = {padded(shape.tokens),
                                                padded(shape.tokens),
                                                padded(shape.sequences + 1),
                                                padded(shape.sequences),
                                                padded(shape.samples),
                                                padded(shape.samples),
                                                padded(shape.sequences * shape.block_table_stride)};
  Places places{};
  for (size_t i = 0; i < sizes.size(); ++i) places[i + 1] = places[i] + sizes[i];
  return places;
}

DeviceBatch::DeviceBatch(const device::Queue& queue, const BatchShape& largest)
    : queue_(queue),
      device_(device::compute_memory(queue.backend()),
              places_of(largest).back() * sizeof(int32_t)) {
  for (Staging& staging : staging_)
    staging.memory = device::Memory(device::staging_memory(queue.backend()), device_.size());
}

TensorView DeviceBatch::array(int index, int count) const {
  return view_i32(device_.as<int32_t>() + places_[static_cast<size_t>(index)], count);
}

void DeviceBatch::upload(const LocalStep& step,
                         const std::vector<int>& samples,
                         bool moved_on,
                         Deadline deadline) {
  const auto num_sequences = step.sequences().size();
  const auto stride = std::bit_ceil(static_cast<unsigned>(step.block_table_stride()));
  shape_ = {.tokens = step.num_tokens(),
            .sequences = static_cast<int>(num_sequences),
            .samples = static_cast<int>(samples.size()),
            .block_table_stride = static_cast<int>(stride)};
  places_ = places_of(shape_);
  SHOAL_ASSERT(places_.back() * sizeof(int32_t) <= device_.size(),
               "{} tokens of {} sequences, {} blocks",
               shape_.tokens,
               shape_.sequences,
               shape_.block_table_stride);
  Staging& staging = staging_[next_++ % staging_.size()];
  staging.copied.wait(deadline);
  auto* words = staging.memory.as<int32_t>();
  const auto put = [&](size_t index, const std::vector<int32_t>& values) {
    std::copy(values.begin(), values.end(), words + places_[index]);
  };
  put(0, step.token_ids());
  put(1, step.positions());
  size_t end = places_[2];
  if (!moved_on) {
    put(2, step.starts());
    put(3, step.slots());
    for (size_t i = 0; i < samples.size(); ++i) {
      const auto s = static_cast<size_t>(samples[i]);
      const LocalSequence& local = step.sequences()[s];
      words[places_[4] + i] = local.first_row + local.num_rows - 1;
      words[places_[5] + i] = step.slots()[s];
    }
    const auto from = static_cast<size_t>(step.block_table_stride());
    for (size_t s = 0; s < num_sequences; ++s) {
      int32_t* row = words + places_[6] + s * stride;
      // Block 0 where a sequence has none: a kernel that looks ahead finds memory.
      for (size_t i = 0; i < stride; ++i)
        row[i] = i < from ? std::max(step.block_tables()[s * from + i], 0) : 0;
    }
    end = places_.back();
  }
  queue_.copy(device_.data(), words, end * sizeof(int32_t));
  queue_.mark(staging.copied);
}

}  // namespace shoal::engine
