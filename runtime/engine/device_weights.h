// Weights in the memory of a device: block types that have a split layout (weight_view.h) cut into
// it, the others and floats as they are. Two staging buffers in turn: the threads of the pool read
// a piece of the file straight into one while the other is on its way; cutting is the device's work
// (on the reference backend the host's, which is the device there).
#pragma once
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <span>
#include <string>

#include "kernels/weight_view.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/memory.h"
#include "runtime/device/queue.h"

namespace shoal::engine {

// Fills `to` with the bytes that begin at `offset`. Called by several threads at once.
using ReadBytes = std::function<void(uint64_t offset, std::span<std::byte> to)>;

// Owns the memory that its views point at. Move-only in effect: it stays where it was made.
class DeviceWeights {
 public:
  DeviceWeights(const device::Queue& queue, ThreadPool& pool);

  // The matrix whose bytes are those of GGUF rows, on the device. The experts of a tensor are one
  // matrix of all their rows. Passes on what `read` throws.
  kernels::WeightView place(const kernels::WeightView& matrix, const ReadBytes& read);
  // The same, filled with random weights. `name` is for messages. Throws Error(kUsage) for types
  // that have none.
  kernels::WeightView place_random(const kernels::WeightView& matrix,
                                   uint64_t seed,
                                   const std::string& name);
  const float* place(std::span<const float> values);

  void finish();  // waits until all of it is there, and gives the staging memory back

 private:
  struct Staging {
    device::Memory memory;
    device::Memory uncut;  // of the device: the same bytes, before they are cut
    device::Mark copied;
  };
  std::byte* take(size_t bytes);
  Staging& next_staging();
  kernels::WeightView reserve(const kernels::WeightView& matrix);
  void read_piece(const ReadBytes& read, uint64_t offset, std::span<std::byte> to) const;
  void copy_split(const kernels::WeightView& to, const ReadBytes& read);
  void copy_plain(std::byte* to, uint64_t bytes, const ReadBytes& read);

  const device::Queue& queue_;
  ThreadPool& pool_;
  std::array<Staging, 2> staging_;
  size_t turn_ = 0;
  std::deque<device::Memory> slabs_;
  size_t used_ = 0;  // of the slab that small matrices share
  device::Memory* shared_slab_ = nullptr;
};

// The rows [index * rows, (index + 1) * rows) of a matrix, on a device or in host
// memory.
kernels::WeightView rows_of(const kernels::WeightView& placed, int64_t index, int64_t rows);

}  // namespace shoal::engine
