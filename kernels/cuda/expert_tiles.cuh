// The experts' products on the tensor cores, for calls where experts have several rows each.
#pragma once
#include "kernels/cuda/expert_slots.cuh"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

struct ExpertTiles {
  int num_slots;
  int64_t rows_a_slot;  // on average, rounded up
  Stream stream;

  void gate_up(const GateUpSlots<kMaxExpertSlots>& slots,
               DType dtype,
               const ActivationRows& input,
               const GateUpShape& shape) const;
  // `inner` holds int16 rows.
  void down(const ProductSlots<kMaxExpertSlots>& slots,
            DType dtype,
            const RowInput& inner,
            const ProductShape& shape) const;
};

}  // namespace shoal::kernels::cuda
