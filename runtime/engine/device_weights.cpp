#include "runtime/engine/device_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/fill_random.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::engine {
namespace {

constexpr size_t kStagingBytes = 32u << 20;
// Matrices below a quarter of it share a slab; the others get memory of their own.
constexpr size_t kSlabBytes = 256u << 20;
constexpr size_t kAlignment = 256;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t num_blocks(const kernels::WeightView& matrix) {
  return matrix.rows * (matrix.cols / dtype_traits(matrix.dtype).block_elements);
}

}  // namespace

DeviceWeights::DeviceWeights(const device::Queue& queue) : queue_(queue) {
  for (Staging& staging : staging_)
    staging.memory = device::Memory(device::staging_memory(queue.backend()), kStagingBytes);
}

void DeviceWeights::finish() {
  queue_.wait(Deadline::never());
  for (Staging& staging : staging_) staging.memory = device::Memory();
}

std::byte* DeviceWeights::take(size_t bytes) {
  const auto kind = device::compute_memory(queue_.backend());
  if (bytes > kSlabBytes / 4) return slabs_.emplace_back(kind, bytes).data();
  if (shared_slab_ == nullptr || used_ + bytes > shared_slab_->size()) {
    shared_slab_ = &slabs_.emplace_back(kind, kSlabBytes);
    used_ = 0;
  }
  std::byte* const memory = shared_slab_->data() + used_;
  used_ += aligned(bytes);
  return memory;
}

DeviceWeights::Staging& DeviceWeights::next_staging() {
  Staging& staging = staging_[turn_++ % staging_.size()];
  staging.copied.wait(Deadline::never());
  return staging;
}

kernels::WeightView DeviceWeights::reserve(const kernels::WeightView& matrix) {
  kernels::WeightView placed = matrix;
  const auto cut = kernels::find_block_cut(matrix.dtype);
  if (!cut) {
    placed.data = take(static_cast<size_t>(matrix.rows * matrix.row_stride()));
    return placed;
  }
  const auto blocks = static_cast<size_t>(num_blocks(matrix));
  const size_t bodies = aligned(blocks * static_cast<size_t>(cut->body_bytes()));
  std::byte* const memory = take(bodies + blocks * static_cast<size_t>(cut->head_bytes));
  placed.data = memory;
  placed.heads = memory + bodies;
  placed.layout = kernels::WeightLayout::kSplit;
  return placed;
}

kernels::WeightView DeviceWeights::place(const kernels::WeightView& matrix,
                                         std::span<const std::byte> bytes,
                                         const std::string& name) {
  SHOAL_ASSERT(bytes.size() == static_cast<size_t>(matrix.rows * matrix.row_stride()),
               "{}: {} bytes for {} rows of {}",
               name,
               bytes.size(),
               matrix.rows,
               matrix.row_stride());
  const kernels::WeightView placed = reserve(matrix);
  if (placed.layout == kernels::WeightLayout::kSplit)
    copy_split(placed, bytes);
  else
    copy_plain(const_cast<std::byte*>(placed.data), bytes);
  return placed;
}

kernels::WeightView DeviceWeights::place_random(const kernels::WeightView& matrix,
                                                uint64_t seed,
                                                const std::string& name) {
  if (is_quantized(matrix.dtype) && !kernels::find_block_cut(matrix.dtype))
    throw Error(ExitCode::kUsage,
                fmt::format("'{}' cannot be made up: there are no random {} weights",
                            name,
                            dtype_name(matrix.dtype)));
  const kernels::WeightView placed = reserve(matrix);
  kernels::cuda::fill_random(placed, seed, queue_.view());
  return placed;
}

const float* DeviceWeights::place(std::span<const float> values) {
  std::byte* const memory = take(values.size_bytes());
  copy_plain(memory, std::as_bytes(values));
  return reinterpret_cast<const float*>(memory);
}

void DeviceWeights::copy_split(const kernels::WeightView& to, std::span<const std::byte> bytes) {
  const kernels::BlockCut cut = *kernels::find_block_cut(to.dtype);
  // A multiple of 16, so that both planes of a piece begin at words.
  const int64_t piece_blocks = static_cast<int64_t>(kStagingBytes) / cut.block_bytes / 16 * 16;
  const int64_t total = num_blocks(to);
  for (int64_t begin = 0; begin < total; begin += piece_blocks) {
    const int64_t count = std::min(piece_blocks, total - begin);
    Staging& staging = next_staging();
    std::byte* const bodies = staging.memory.data();
    std::byte* const heads = bodies + count * cut.body_bytes();
    kernels::split_blocks(
        cut, bytes.data() + begin * cut.block_bytes, count, {.bodies = bodies, .heads = heads});
    queue_.copy(const_cast<std::byte*>(to.data) + begin * cut.body_bytes(),
                bodies,
                static_cast<size_t>(count * cut.body_bytes()));
    queue_.copy(const_cast<std::byte*>(to.heads) + begin * cut.head_bytes,
                heads,
                static_cast<size_t>(count * cut.head_bytes));
    queue_.mark(staging.copied);
  }
}

void DeviceWeights::copy_plain(std::byte* to, std::span<const std::byte> bytes) {
  for (size_t begin = 0; begin < bytes.size(); begin += kStagingBytes) {
    const size_t count = std::min(kStagingBytes, bytes.size() - begin);
    Staging& staging = next_staging();
    std::memcpy(staging.memory.data(), bytes.data() + begin, count);
    queue_.copy(to + begin, staging.memory.data(), count);
    queue_.mark(staging.copied);
  }
}

kernels::WeightView rows_of(const kernels::WeightView& placed, int64_t index, int64_t rows) {
  kernels::WeightView view = placed;
  view.rows = rows;
  if (placed.layout == kernels::WeightLayout::kGguf) {
    view.data += index * rows * placed.row_stride();
    return view;
  }
  const kernels::BlockCut cut = *kernels::find_block_cut(placed.dtype);
  const int64_t blocks = index * num_blocks(view);
  view.data += blocks * cut.body_bytes();
  view.heads += blocks * cut.head_bytes;
  return view;
}

}  // namespace shoal::engine
