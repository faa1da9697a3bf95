#include "runtime/engine/device_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>

#include "kernels/cuda/fill_random.h"
#include "kernels/cuda/split_blocks.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/base/error.h"

namespace shoal::engine {
namespace {

constexpr size_t kStagingBytes = 32u << 20;
// Matrices below a quarter of it share a slab; the others get memory of their own.
constexpr size_t kSlabBytes = 256u << 20;
constexpr size_t kAlignment = 256;
// What one thread reads at once.
constexpr int64_t kReadBytes = 2 << 20;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t num_blocks(const kernels::WeightView& matrix) {
  return matrix.rows * (matrix.cols / dtype_traits(matrix.dtype).block_elements);
}

}  // namespace

DeviceWeights::DeviceWeights(const device::Queue& queue, ThreadPool& pool)
    : queue_(queue), pool_(pool) {
  for (Staging& staging : staging_) {
    staging.memory = device::Memory(device::staging_memory(queue.backend()), kStagingBytes);
    if (queue.backend() == Backend::kCuda)
      staging.uncut = device::Memory(device::MemoryKind::kDevice, kStagingBytes);
  }
}

void DeviceWeights::finish() {
  queue_.wait(Deadline::never());
  for (Staging& staging : staging_) staging = Staging();
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

kernels::WeightView DeviceWeights::place(const kernels::WeightView& matrix, const ReadBytes& read) {
  const kernels::WeightView placed = reserve(matrix);
  if (placed.layout == kernels::WeightLayout::kSplit)
    copy_split(placed, read);
  else
    copy_plain(const_cast<std::byte*>(placed.data),
               static_cast<uint64_t>(matrix.rows * matrix.row_stride()),
               read);
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
  const auto* from = reinterpret_cast<const std::byte*>(values.data());
  copy_plain(memory, values.size_bytes(), [from](uint64_t offset, std::span<std::byte> to) {
    std::memcpy(to.data(), from + offset, to.size());
  });
  return reinterpret_cast<const float*>(memory);
}

void DeviceWeights::read_piece(const ReadBytes& read,
                               uint64_t offset,
                               std::span<std::byte> to) const {
  std::mutex mutex;
  std::exception_ptr failure;
  pool_.parallel_for(static_cast<int64_t>(to.size()), kReadBytes, [&](int64_t begin, int64_t end) {
    try {
      read(offset + static_cast<uint64_t>(begin),
           to.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void DeviceWeights::copy_split(const kernels::WeightView& to, const ReadBytes& read) {
  const kernels::BlockCut cut = *kernels::find_block_cut(to.dtype);
  // A multiple of 16, so that both planes of a piece begin at words.
  const int64_t piece_blocks = static_cast<int64_t>(kStagingBytes) / cut.block_bytes / 16 * 16;
  const int64_t total = num_blocks(to);
  for (int64_t begin = 0; begin < total; begin += piece_blocks) {
    const int64_t count = std::min(piece_blocks, total - begin);
    const auto bytes = static_cast<size_t>(count * cut.block_bytes);
    const kernels::SplitPlanes planes = {
        .bodies = const_cast<std::byte*>(to.data) + begin * cut.body_bytes(),
        .heads = const_cast<std::byte*>(to.heads) + begin * cut.head_bytes};
    Staging& staging = next_staging();
    read_piece(
        read, static_cast<uint64_t>(begin * cut.block_bytes), staging.memory.span().first(bytes));
    if (queue_.backend() == Backend::kCuda) {
      queue_.copy(staging.uncut.data(), staging.memory.data(), bytes);
      kernels::cuda::split_blocks(cut, staging.uncut.data(), count, planes, queue_.view());
    } else {
      kernels::split_blocks(cut, staging.memory.data(), count, planes);
    }
    queue_.mark(staging.copied);
  }
}

void DeviceWeights::copy_plain(std::byte* to, uint64_t bytes, const ReadBytes& read) {
  for (uint64_t begin = 0; begin < bytes; begin += kStagingBytes) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(kStagingBytes, bytes - begin));
    Staging& staging = next_staging();
    read_piece(read, begin, staging.memory.span().first(count));
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
