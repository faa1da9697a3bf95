#include "runtime/engine/local_step.h"

#include <algorithm>

namespace shoal::engine {

void LocalStep::build(const plan::StepPlan& plan,
                      int repeat,
                      const sharding::RankGrid& grid,
                      int rank,
                      SequenceTable& table) {
  sequences_.clear();
  token_ids_.clear();
  positions_.clear();
  slots_.clear();
  starts_.assign(1, 0);
  block_table_stride_ = 1;
  const int stage = grid.place(rank).stage;
  for (const plan::ScheduledSequence& scheduled : plan.sequences) {
    RankSequence& sequence = table.at(scheduled.id);
    if (grid.owner(stage, sequence.admission.home) != rank) continue;
    sequences_.push_back({.scheduled = &scheduled,
                          .sequence = &sequence,
                          .first_row = num_tokens(),
                          .num_rows = static_cast<int>(scheduled.tokens.size())});
    for (size_t i = 0; i < scheduled.tokens.size(); ++i) {
      token_ids_.push_back(repeat > 0 ? plan::kPreviousSample : scheduled.tokens[i]);
      positions_.push_back(static_cast<int32_t>(scheduled.start + repeat) +
                           static_cast<int32_t>(i));
    }
    starts_.push_back(num_tokens());
    slots_.push_back(sequence.admission.state_slot);
    block_table_stride_ = std::max(block_table_stride_, static_cast<int>(sequence.blocks.size()));
  }
  block_tables_.assign(sequences_.size() * static_cast<size_t>(block_table_stride_), -1);
  for (size_t s = 0; s < sequences_.size(); ++s)
    std::copy(sequences_[s].sequence->blocks.begin(),
              sequences_[s].sequence->blocks.end(),
              block_tables_.begin() +
                  static_cast<std::ptrdiff_t>(s * static_cast<size_t>(block_table_stride_)));
}

model::Batch LocalStep::batch(const plan::StepPlan& plan,
                              const std::vector<kernels::KvCache>& kv_layers,
                              const std::vector<model::DeltaState>& delta_layers) {
  const auto num_sequences = static_cast<int>(sequences_.size());
  return {.num_tokens = num_tokens(),
          .num_sequences = num_sequences,
          .token_capacity = plan.token_capacity,
          .token_ids = view_i32(token_ids_.data(), num_tokens()),
          .positions = view_i32(positions_.data(), num_tokens()),
          .sequence_starts = view_i32(starts_.data(), num_sequences + 1),
          .kv = {.layers = &kv_layers,
                 .block_tables = block_tables_.data(),
                 .block_table_stride = block_table_stride_},
          .state = {.layers = &delta_layers, .slots = view_i32(slots_.data(), num_sequences)}};
}

}  // namespace shoal::engine
