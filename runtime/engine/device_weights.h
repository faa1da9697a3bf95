// Weights in the memory of a device: block types that have a split layout (weight_view.h) cut into
// it, the others and floats as they are. Cutting on the host overlaps the copies: there are two
// staging buffers, in turn.
#pragma once
#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include "kernels/weight_view.h"
#include "runtime/device/memory.h"
#include "runtime/device/queue.h"

namespace shoal::engine {

// Owns the memory that its views point at. Move-only in effect: it stays where it was made.
class DeviceWeights {
 public:
  explicit DeviceWeights(const device::Queue& queue);

  // The matrix whose bytes are those of GGUF rows, on the device. The experts of a tensor are one
  // matrix of all their rows. `name` is for messages.
  kernels::WeightView place(const kernels::WeightView& matrix,
                            std::span<const std::byte> bytes,
                            const std::string& name);
  // The same, filled with random weights. Throws Error(kUsage) for types that have none.
  kernels::WeightView place_random(const kernels::WeightView& matrix,
                                   uint64_t seed,
                                   const std::string& name);
  const float* place(std::span<const float> values);

  void finish();  // waits until all of it is there, and gives the staging memory back

 private:
  struct Staging {
    device::Memory memory;
    device::Mark copied;
  };
  std::byte* take(size_t bytes);
  Staging& next_staging();
  kernels::WeightView reserve(const kernels::WeightView& matrix);
  void copy_split(const kernels::WeightView& to, std::span<const std::byte> bytes);
  void copy_plain(std::byte* to, std::span<const std::byte> bytes);

  const device::Queue& queue_;
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
