// All-gather of activation rows for DenseSplit::kOutputRows; a no-op while dense tensors are
// replicated. Collective over the stage.
#pragma once
#include "runtime/base/exec.h"
#include "runtime/base/tensor_view.h"

namespace shoal::transport {

class RowGather {
 public:
  virtual ~RowGather() = default;
  // out [n, cols of all ranks] from in [n, own cols]; with replicated tensors in is out.
  virtual void all_gather(TensorView in, TensorView out, const Exec& exec) = 0;
};

// For DenseSplit::kReplicated: asserts that in and out are the same memory.
class ReplicatedRows final : public RowGather {
 public:
  void all_gather(TensorView in, TensorView out, const Exec& exec) override;
};

}  // namespace shoal::transport
