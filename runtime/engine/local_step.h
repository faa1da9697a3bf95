// The part of a plan that one rank runs: its own sequences' tokens as arrays, ready for a Batch.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/engine/sequence_table.h"
#include "runtime/model/batch.h"
#include "runtime/plan/step_plan.h"
#include "sharding/rank_grid.h"

namespace shoal::engine {

struct LocalSequence {
  const plan::ScheduledSequence* scheduled = nullptr;
  RankSequence* sequence = nullptr;
  int first_row = 0;
  int num_rows = 0;
};

class LocalStep {
 public:
  // Sequences of `plan` that `rank` owns on `stage`. The plan and the table must outlive it.
  // `repeat` > 0 moves a decode burst on: positions rise by one a repeat.
  void build(const plan::StepPlan& plan,
             int repeat,
             const sharding::RankGrid& grid,
             int rank,
             SequenceTable& table);

  int num_tokens() const { return static_cast<int>(positions_.size()); }
  const std::vector<LocalSequence>& sequences() const { return sequences_; }
  std::vector<int32_t>& token_ids() { return token_ids_; }
  const std::vector<int32_t>& token_ids() const { return token_ids_; }
  const std::vector<int32_t>& positions() const { return positions_; }
  const std::vector<int32_t>& starts() const { return starts_; }
  const std::vector<int32_t>& slots() const { return slots_; }
  const std::vector<int32_t>& block_tables() const { return block_tables_; }
  int block_table_stride() const { return block_table_stride_; }

  // Views into this object; valid until the next build().
  model::Batch batch(const plan::StepPlan& plan,
                     const std::vector<kernels::KvCache>& kv_layers,
                     const std::vector<model::DeltaState>& delta_layers);

 private:
  std::vector<LocalSequence> sequences_;
  std::vector<int32_t> token_ids_, positions_, starts_, slots_, block_tables_;
  int block_table_stride_ = 0;
};

}  // namespace shoal::engine
