// Rows from several sources, copied so that rows of one local expert are neighbours. Inside an
// expert: by source, then in the source's order; never by arrival. A row with two local experts
// appears twice. Reused from step to step without allocation.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/ops/matmul.h"
#include "runtime/base/exec.h"
#include "transport/routing_table.h"
#include "transport/scratch_buffer.h"

namespace shoal::transport {

class ExpertGrouping {
 public:
  struct Source {
    kernels::ActivationRows rows;
    std::span<const RowExpertPair> pairs;
  };

  ExpertGrouping(int num_local_experts, int64_t hidden_size);

  // All sources in one format. Sums are computed here, whatever the sources carry.
  void group(std::span<const Source> sources, kernels::ActivationFormat format, const Exec& exec);

  // Valid until the next group().
  const kernels::ActivationRows& rows() const { return rows_; }
  std::span<const int32_t> tokens_per_expert() const { return tokens_per_expert_; }
  // Where pair i of a source went: [number of its pairs], indices of rows().
  std::span<const int32_t> row_map(int source) const;

 private:
  void copy_row(std::span<const Source> sources, int64_t grouped_row);

  struct Origin {
    int32_t source, row;
  };
  int64_t hidden_size_;
  kernels::ActivationRows rows_;
  std::vector<int32_t> tokens_per_expert_;  // [num_local_experts]
  std::vector<int32_t> next_row_;           // [num_local_experts]
  std::vector<int32_t> row_map_;            // [all pairs], source by source
  std::vector<size_t> first_pair_;          // [sources + 1]
  std::vector<Origin> origins_;             // by grouped row
  ScratchBuffer values_, scales_, sums_;
};

}  // namespace shoal::transport
