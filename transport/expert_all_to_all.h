// Tokens to the ranks that hold their experts (dispatch), results back (combine). Each call of the
// pair start/finish/combine is made by every rank of the expert-parallel group, in the same order,
// also by ranks without tokens. A row travels once per destination rank, not once per expert, and
// only to ranks that hold one of its experts. The owner of a token adds the expert outputs in the
// router's order with fma, in f32, so the sum does not depend on where an expert ran.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/ops/matmul.h"
#include "kernels/ops/row_groups.h"
#include "runtime/base/exec.h"
#include "runtime/base/tensor_view.h"
#include "sharding/expert_placement.h"
#include "transport/host_comm.h"

namespace shoal::transport {

// One step's routing on one rank; copied where it is needed later, so its memory may be reused once
// start_dispatch has returned. `rows` are already in the format that the experts multiply with
// (int8 with scales, or f32), so the wire carries them as they are and the bits stay the same.
struct Routing {
  kernels::ActivationRows rows;  // [num_tokens, hidden]; int8 or f32
  TensorView topk_ids;           // [num_tokens, num_topk] i32
  TensorView topk_weights;       // [num_tokens, num_topk] f32, in the router's order
  int token_capacity = 0;        // equal on all ranks of the group; bounds rows from any one rank
};

// Rows for this rank's experts, as kernels/ops/expert_mlp.h wants them: grouped by local expert
// with their counts, or as they came, with groups that only the device knows. Owned by the
// exchange; valid until the next start_dispatch.
struct ExpertRows {
  kernels::ActivationRows rows;
  std::span<const int32_t> tokens_per_expert;  // [num_local_experts]; empty beside groups
  const kernels::RowGroups* groups = nullptr;
};

// Routing of one dispatch, needed by its combine. Move-only.
class DispatchHandle {
 public:
  struct State {
    virtual ~State() = default;
  };
  DispatchHandle() = default;
  explicit DispatchHandle(std::unique_ptr<State> state) : state_(std::move(state)) {}
  State* state() const { return state_.get(); }

 private:
  std::unique_ptr<State> state_;
};

class ExpertAllToAll {
 public:
  virtual ~ExpertAllToAll() = default;
  // Whether start_dispatch sets rows on their way, so that work before finish_dispatch is free.
  virtual bool rows_travel() const { return true; }
  // Whether steps of this capacity only enqueue, so that they can be recorded.
  virtual bool recordable(int token_capacity) const {
    (void)token_capacity;
    return true;
  }
  // The shared expert runs between start and finish. Its outputs rows [num_tokens, hidden] f32 and
  // gate logits [num_tokens] may be handed over there: true says that combine will first add
  // sigmoid(gate) * rows to the residual (AddScaledParams), false that the caller must.
  virtual bool take_shared(TensorView rows, const float* gate) {
    (void)rows, (void)gate;
    return false;
  }
  // Where the router may leave the grouping of the rows that the next dispatch will have, if it
  // likes to; null: nowhere. Then that dispatch finds it done.
  virtual const kernels::RowGroups* groups_of(TensorView topk_ids) {
    (void)topk_ids;
    return nullptr;
  }
  virtual DispatchHandle start_dispatch(const Routing& routing, const Exec& exec) = 0;
  virtual ExpertRows finish_dispatch(DispatchHandle& handle, const Exec& exec) = 0;
  // expert_out: [rows of ExpertRows, hidden] f32, unweighted, same order.
  // residual [num_tokens, hidden] += sum over the token's experts in router order, where
  //   sum = 0; sum = fma(weight_k, out_k, sum) for k = 0..num_topk-1; residual = residual + sum.
  virtual void combine(DispatchHandle&& handle,
                       TensorView expert_out,
                       TensorView residual,
                       const Exec& exec) = 0;
  // Waits inside use min(exec.deadline, step deadline) and throw PeerLost.
};

struct AllToAllShape {
  int64_t hidden_size = 0;
  int num_topk = 0;
  int max_token_capacity = 0;  // sizes the receive buffers once; Routing::token_capacity <= this
  // On a device: up to so many bytes the messages of combine are sent at their longest, which
  // links do in less time than the host needs to learn their exact sizes.
  int64_t max_fixed_bytes = 16 << 20;
};

// group: this rank's index in the group is ep_rank, and group_ranks[i] is the HostComm rank of ep
// rank i. A group of one returns an implementation that touches no transport. One dispatch at a
// time: start, finish, combine, then the next start. Memory is taken in the first steps only.
std::unique_ptr<ExpertAllToAll> make_expert_all_to_all(HostComm& comm,
                                                       std::vector<int> group_ranks,
                                                       const sharding::ExpertPlacement& placement,
                                                       AllToAllShape shape);

// Bytes that one rank sends in dispatch and combine for given routing, by formula: what the wire
// count of a test is held against, and what `plan` predicts.
struct WireBytes {
  uint64_t dispatch = 0, combine = 0;
};
WireBytes expected_wire_bytes(const std::vector<std::vector<int32_t>>& topk_ids_by_rank,
                              int ep_rank,
                              const sharding::ExpertPlacement& placement,
                              AllToAllShape shape,
                              kernels::ActivationFormat format);

}  // namespace shoal::transport
