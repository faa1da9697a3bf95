// One rank's forward pass: its stage's layers on its own tokens, its experts on everybody's. Reads
// like the formulas of the architecture; owns scratch memory, no weights, no caches. Knows nothing
// of plans, requests or devices: kernels and transport come in from outside, and what lies in the
// Batch lies where the kernels compute. Only enqueues where the backend has a queue. One thread.
#pragma once
#include <memory>

#include "kernels/kernel_table.h"
#include "runtime/model/batch.h"
#include "runtime/model/scratch.h"
#include "runtime/model/weights.h"
#include "transport/expert_all_to_all.h"
#include "transport/row_gather.h"

namespace shoal::model {

// Seconds spent by part since construction, for the step breakdown; all 0 on a device.
struct PartSeconds {
  double attention = 0, delta_net = 0, router = 0, dispatch = 0, expert = 0, combine = 0;
  uint64_t expert_rows = 0;
};

// What a model computes with.
struct ModelParts {
  const kernels::KernelTable& kernels;
  transport::ExpertAllToAll& experts;
  transport::RowGather& gather;
};

class Model {
 public:
  Model(const loader::ModelConfig& config,
        const ModelWeights& weights,
        const ModelParts& parts,
        const StepSizes& sizes);
  ~Model();

  // hidden [num_tokens, hidden_size] f32. First stage only.
  void embed(const Batch& batch, TensorView hidden, const Exec& exec) const;
  // This stage's layers, in place. Collective over the stage, also with num_tokens 0.
  void forward(const Batch& batch, TensorView hidden, const Exec& exec) const;
  // rows [m, hidden_size] -> out [m, vocab_size], m at most StepSizes::max_tokens. Last stage only.
  void logits(TensorView rows, TensorView out, const Exec& exec) const;

  const PartSeconds& seconds() const { return seconds_; }

 private:
  bool computes_here() const { return backend_ != Backend::kCuda; }
  kernels::InputRows norm_input(TensorView hidden,
                                TensorView addend,
                                const float* weight,
                                Formats formats,
                                const Exec& exec) const;
  void project(const kernels::InputRows& input,
               std::span<const kernels::Projection> projections,
               const Exec& exec) const;
  // Each returns what its block adds to the residual stream.
  TensorView attention(const AttentionWeights& weights,
                       const Batch& batch,
                       const kernels::KvCache& cache,
                       const kernels::InputRows& input,
                       const Exec& exec) const;
  TensorView delta_net(const DeltaNetWeights& weights,
                       const Batch& batch,
                       const DeltaState& state,
                       const kernels::InputRows& input,
                       const Exec& exec) const;
  // What is read soon after a layer's experts.
  std::span<const kernels::WeightView> read_after(size_t layer) const;
  void mixture_of_experts(size_t layer,
                          const kernels::InputRows& input,
                          int token_capacity,
                          TensorView hidden,
                          const Exec& exec) const;
  // The step's arrivals through this rank's experts.
  TensorView run_experts(const MoeWeights& weights,
                         const transport::ExpertRows& arrived,
                         const kernels::SharedExpert* shared,
                         const Exec& exec) const;

  const loader::ModelConfig& config_;
  const ModelWeights& weights_;
  const kernels::KernelTable& kernels_;
  transport::ExpertAllToAll& experts_;
  transport::RowGather& gather_;
  Backend backend_;
  std::unique_ptr<Scratch> scratch_;
  mutable PartSeconds seconds_;
};

}  // namespace shoal::model
