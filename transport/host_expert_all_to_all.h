// ExpertAllToAll over any HostComm: exact counts, non-blocking messages, one a peer in dispatch and
// at most one in combine. Works on host memory only.
//
//   start    encode a message for each rank of the group, post all receives, then all sends
//   finish   wait; group received and own rows by expert; post the receives of combine, whose
//            sizes are known here
//   combine  send each source its outputs in the order of its pairs; wait; add in router order
// Pairs without rows are skipped in combine on both sides; dispatch always sends, if only a header.
#pragma once
#include <memory>
#include <vector>

#include "transport/combine_sum.h"
#include "transport/dispatch_message.h"
#include "transport/expert_all_to_all.h"
#include "transport/expert_grouping.h"
#include "transport/routing_table.h"
#include "transport/scratch_buffer.h"

namespace shoal::transport {

class HostExpertAllToAll final : public ExpertAllToAll {
 public:
  HostExpertAllToAll(HostComm& comm,
                     std::vector<int> group_ranks,
                     const sharding::ExpertPlacement& placement,
                     AllToAllShape shape);
  // With messages still under way (a peer was lost) their buffers are left to the transport.
  ~HostExpertAllToAll() override;

  DispatchHandle start_dispatch(const Routing& routing, const Exec& exec) override;
  ExpertRows finish_dispatch(DispatchHandle& handle, const Exec& exec) override;
  void combine(DispatchHandle&& handle,
               TensorView expert_out,
               TensorView residual,
               const Exec& exec) override;

 private:
  enum class Stage { kIdle, kDispatched, kAtExperts };
  struct Peer {
    ScratchBuffer dispatch_out, dispatch_in, combine_out;
    size_t dispatch_in_bytes = 0;
    std::vector<RowExpertPair> pairs;  // that it sent here
  };
  struct Buffers {
    std::vector<Peer> peers;   // by ep rank; this rank's own entry carries its local rows
    ScratchBuffer combine_in;  // [pairs sent to others, hidden], by ep rank
  };

  int comm_rank(int ep_rank) const { return group_ranks_[static_cast<size_t>(ep_rank)]; }
  Peer& peer(int ep_rank) { return buffers_->peers[static_cast<size_t>(ep_rank)]; }
  void post_combine_receives();
  void send_outputs(TensorView expert_out);
  void locate_outputs(TensorView expert_out);

  HostComm& comm_;
  std::vector<int> group_ranks_;
  int ep_ = 1, ep_rank_ = 0;
  sharding::ExpertPlacement placement_;
  AllToAllShape shape_;
  int num_local_experts_ = 0;

  Stage stage_ = Stage::kIdle;
  uint32_t sequence_ = 0;
  kernels::ActivationFormat format_ = kernels::ActivationFormat::kF32;
  RoutingTable table_;
  ExpertGrouping grouping_;
  CombineSum sum_;
  std::vector<ExpertGrouping::Source> sources_;
  std::vector<size_t> combine_offset_;  // [ep], floats into combine_in
  std::vector<Request> requests_;       // in dispatch: the peers' receives first, by ep rank
  bool messages_under_way_ = false;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace shoal::transport
