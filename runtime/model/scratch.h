// The activations of one step between its layers, in the memory of the backend that computes them.
// Taken once for the largest step, so that nothing is allocated in a step and addresses never
// change: a recorded step stays valid.
#pragma once
#include "kernels/ops/input_rows.h"
#include "loader/format/model_config.h"
#include "runtime/base/tensor_view.h"
#include "runtime/device/memory.h"

namespace shoal::model {

struct StepSizes {
  Backend backend = Backend::kCpu;
  int64_t max_tokens = 0;       // of one step, on this rank
  int64_t max_expert_rows = 0;  // rows for this rank's experts in one step, from all ranks
};

class Rows {
 public:
  Rows(Backend backend, int64_t max_rows, int64_t max_cols);
  // Asserts that they fit; the same memory each time.
  TensorView f32(int64_t rows, int64_t cols) const;
  TensorView i32(int64_t rows, int64_t cols) const;

 private:
  device::Memory memory_;
};

// Which formats of a set of rows some reader wants, beside f32.
struct Formats {
  bool int16 = false, int8 = false;
};

class InputBuffer {
 public:
  InputBuffer(Backend backend, int64_t max_rows, int64_t max_cols, Formats formats);
  kernels::InputRows rows(int64_t rows, int64_t cols, Formats formats) const;

 private:
  struct Quantized {
    device::Memory values, scales, sums;
    kernels::QuantizedRows rows() const;
  };
  static Quantized make(Backend backend, int64_t elements, size_t element_bytes);

  Rows f32_;
  Quantized int16_, int8_;
};

struct Scratch {
  Scratch(const loader::ModelConfig& config, const StepSizes& sizes);

  InputBuffer input;  // a block's normed input, in all formats
  InputBuffer inner;  // what a block's last matrix reads
  Rows raw, mixed, gate, key, value, alpha, beta, projected;
  Rows router_logits, topk_ids, topk_weights, shared_gate, shared_up, shared_router, expert_out;
  device::Memory workspace;
};

}  // namespace shoal::model
