// A step's integers as the device reads them: packed in staging memory, copied in one piece. The
// place of each array depends on the shape alone, so that a recorded step of the same shape finds
// it again.
#pragma once
#include <array>
#include <compare>
#include <span>
#include <vector>

#include "runtime/device/memory.h"
#include "runtime/device/queue.h"
#include "runtime/engine/local_step.h"

namespace shoal::engine {

struct BatchShape {
  int tokens = 0, sequences = 0, samples = 0;
  int block_table_stride = 1;  // a power of two
  auto operator<=>(const BatchShape&) const = default;
};

class DeviceBatch {
 public:
  // `largest`: an upper bound on each of its figures.
  DeviceBatch(const device::Queue& queue, const BatchShape& largest);

  // `samples`: the sequences of the step, by index, that a token is sampled for. Waits for an
  // earlier copy out of the same staging buffer, of which there are two, used in turn. With
  // `moved_on` the last upload had the same shape and sequences: only tokens and positions differ.
  void upload(const LocalStep& step,
              const std::vector<int>& samples,
              bool moved_on,
              Deadline deadline);

  const BatchShape& shape() const { return shape_; }
  // Views of device memory, for the shape uploaded last.
  TensorView token_ids() const { return array(0, shape_.tokens); }
  TensorView positions() const { return array(1, shape_.tokens); }
  TensorView starts() const { return array(2, shape_.sequences + 1); }
  TensorView slots() const { return array(3, shape_.sequences); }
  TensorView sample_rows() const { return array(4, shape_.samples); }   // rows of hidden
  TensorView sample_slots() const { return array(5, shape_.samples); }  // state slots
  const int32_t* block_tables() const { return array(6, 1).i32(); }

 private:
  static constexpr int kNumArrays = 7;
  using Places = std::array<size_t, kNumArrays + 1>;  // in words; the last is the end
  static Places places_of(const BatchShape& shape);
  TensorView array(int index, int count) const;

  const device::Queue& queue_;
  BatchShape shape_;
  Places places_{};
  device::Memory device_;
  struct Staging {
    device::Memory memory;
    device::Mark copied;
  };
  std::array<Staging, 2> staging_;
  size_t next_ = 0;
};

}  // namespace shoal::engine
