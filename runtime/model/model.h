// One rank's forward pass: its stage's layers on its own tokens, its experts on everybody's. Reads
// like the formulas of the architecture; owns scratch memory, no weights, no caches. Knows nothing
// of plans, requests or devices: kernels and transport come in from outside. One thread calls.
#pragma once
#include <memory>

#include "kernels/kernel_table.h"
#include "runtime/model/batch.h"
#include "runtime/model/weights.h"
#include "transport/expert_all_to_all.h"
#include "transport/row_gather.h"

namespace shoal::model {

// Seconds spent by part since construction, for the step breakdown.
struct PartSeconds {
  double attention = 0, delta_net = 0, router = 0, dispatch = 0, expert = 0, combine = 0;
  uint64_t expert_rows = 0;
};

class Model {
 public:
  Model(const loader::ModelConfig& config,
        const ModelWeights& weights,
        const kernels::KernelTable& kernels,
        transport::ExpertAllToAll& experts,
        transport::RowGather& gather);
  ~Model();

  // hidden [num_tokens, hidden_size] f32. First stage only.
  void embed(const Batch& batch, TensorView hidden, const Exec& exec) const;
  // This stage's layers, in place. Collective over the stage, also with num_tokens 0.
  void forward(const Batch& batch, TensorView hidden, const Exec& exec) const;
  // rows [m, hidden_size] -> out [m, vocab_size]. Last stage only.
  void logits(TensorView rows, TensorView out, const Exec& exec) const;

  const PartSeconds& seconds() const;

 private:
  struct Scratch;
  void attention(const AttentionWeights& weights,
                 const Batch& batch,
                 const kernels::KvCache& cache,
                 TensorView hidden,
                 const Exec& exec) const;
  void delta_net(const DeltaNetWeights& weights,
                 const Batch& batch,
                 const DeltaState& state,
                 TensorView hidden,
                 const Exec& exec) const;
  void mixture_of_experts(const MoeWeights& weights,
                          int token_capacity,
                          TensorView hidden,
                          const Exec& exec) const;

  const loader::ModelConfig& config_;
  const ModelWeights& weights_;
  const kernels::KernelTable& kernels_;
  transport::ExpertAllToAll& experts_;
  transport::RowGather& gather_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace shoal::model
