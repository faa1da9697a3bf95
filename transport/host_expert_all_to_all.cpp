#include "transport/host_expert_all_to_all.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "transport/routing_check.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;

int index_of(const std::vector<int>& ranks, int rank) {
  const auto at = std::find(ranks.begin(), ranks.end(), rank);
  SHOAL_ASSERT(at != ranks.end(), "rank {} is not in its own group", rank);
  return static_cast<int>(at - ranks.begin());
}

}  // namespace

HostExpertAllToAll::HostExpertAllToAll(HostComm& comm,
                                       std::vector<int> group_ranks,
                                       const sharding::ExpertPlacement& placement,
                                       AllToAllShape shape)
    : comm_(comm),
      group_ranks_(std::move(group_ranks)),
      ep_(static_cast<int>(group_ranks_.size())),
      ep_rank_(index_of(group_ranks_, comm.rank())),
      placement_(placement),
      shape_(shape),
      num_local_experts_(static_cast<int>(placement.experts(ep_rank_).size())),
      grouping_(num_local_experts_, shape.hidden_size),
      combine_offset_(static_cast<size_t>(ep_)),
      buffers_(std::make_unique<Buffers>()) {
  SHOAL_ASSERT(placement.ep() == ep_, "{} ranks, experts on {}", ep_, placement.ep());
  buffers_->peers.resize(static_cast<size_t>(ep_));
  const auto rows = static_cast<size_t>(shape.max_token_capacity);
  const size_t largest = dispatch_message_bytes(
      rows, rows * static_cast<size_t>(shape.num_topk), shape.hidden_size, ActivationFormat::kF32);
  for (int i = 0; i < ep_; ++i)
    if (i != ep_rank_) peer(i).dispatch_in.reserve(largest);
}

HostExpertAllToAll::~HostExpertAllToAll() {
  if (messages_under_way_) (void)buffers_.release();
}

DispatchHandle HostExpertAllToAll::start_dispatch(const Routing& routing, const Exec&) {
  SHOAL_ASSERT(stage_ == Stage::kIdle, "the last dispatch has not been combined");
  check_routing(routing, shape_);
  stage_ = Stage::kDispatched;
  ++sequence_;
  format_ = routing.rows.format;
  table_.build(topk_ids_of(routing), shape_.num_topk, placement_, ep_rank_);
  sum_.start(topk_weights_of(routing), shape_.num_topk);

  requests_.clear();
  messages_under_way_ = true;
  for (int i = 0; i < ep_; ++i) {
    if (i == ep_rank_) continue;
    ScratchBuffer& in = peer(i).dispatch_in;
    requests_.push_back(comm_.irecv(comm_rank(i), Tag::kDispatch, {in.data(), in.capacity()}));
  }
  // Ranks begin with their right-hand neighbour, so that not all send to rank 0 at once.
  for (int step = 0; step < ep_; ++step) {
    const int i = (ep_rank_ + 1 + step) % ep_;
    const RoutingTable::Destination& destination = table_.to(i);
    const size_t bytes = dispatch_message_bytes(
        destination.tokens.size(), destination.pairs.size(), shape_.hidden_size, format_);
    std::byte* const out = peer(i).dispatch_out.reserve(bytes);
    kernels::ActivationRows rows = routing.rows;
    rows.cols = shape_.hidden_size;
    encode_dispatch(rows, destination, sequence_, out);
    if (i == ep_rank_)
      peer(i).dispatch_in_bytes = bytes;  // read back in finish_dispatch
    else
      requests_.push_back(comm_.isend(comm_rank(i), Tag::kDispatch, {out, bytes}));
  }
  return {};
}

ExpertRows HostExpertAllToAll::finish_dispatch(DispatchHandle&, const Exec& exec) {
  SHOAL_ASSERT(stage_ == Stage::kDispatched, "finish without start");
  stage_ = Stage::kAtExperts;
  wait_all(requests_, exec.deadline);
  size_t receive = 0;
  for (int i = 0; i < ep_; ++i)
    if (i != ep_rank_) peer(i).dispatch_in_bytes = requests_[receive++].received_bytes();
  requests_.clear();
  messages_under_way_ = false;

  const DispatchTerms terms{.hidden_size = shape_.hidden_size,
                            .num_topk = shape_.num_topk,
                            .num_local_experts = num_local_experts_,
                            .max_rows = shape_.max_token_capacity,
                            .format = format_,
                            .sequence = sequence_};
  sources_.clear();
  for (int i = 0; i < ep_; ++i) {
    const ScratchBuffer& message = i == ep_rank_ ? peer(i).dispatch_out : peer(i).dispatch_in;
    const auto rows = decode_dispatch(
        {message.data(), peer(i).dispatch_in_bytes}, terms, comm_rank(i), peer(i).pairs);
    sources_.push_back({rows, peer(i).pairs});
  }
  grouping_.group(sources_, format_, exec);
  post_combine_receives();
  return {grouping_.rows(), grouping_.tokens_per_expert()};
}

void HostExpertAllToAll::post_combine_receives() {
  size_t floats = 0;
  for (int i = 0; i < ep_; ++i) {
    combine_offset_[static_cast<size_t>(i)] = floats;
    if (i != ep_rank_)
      floats += table_.to(i).pairs.size() * static_cast<size_t>(shape_.hidden_size);
  }
  std::byte* const in = buffers_->combine_in.reserve(floats * sizeof(float));
  messages_under_way_ = true;
  for (int i = 0; i < ep_; ++i) {
    const size_t bytes =
        table_.to(i).pairs.size() * static_cast<size_t>(shape_.hidden_size) * sizeof(float);
    if (i == ep_rank_ || bytes == 0) continue;
    std::byte* const begin = in + combine_offset_[static_cast<size_t>(i)] * sizeof(float);
    requests_.push_back(comm_.irecv(comm_rank(i), Tag::kCombine, {begin, bytes}));
  }
}

void HostExpertAllToAll::send_outputs(TensorView expert_out) {
  const size_t row_bytes = static_cast<size_t>(shape_.hidden_size) * sizeof(float);
  for (int step = 0; step + 1 < ep_; ++step) {
    const int i = (ep_rank_ + 1 + step) % ep_;
    const std::span<const int32_t> row_map = grouping_.row_map(i);
    if (row_map.empty()) continue;
    const size_t bytes = row_map.size() * row_bytes;
    std::byte* const out = peer(i).combine_out.reserve(bytes);
    for (size_t pair = 0; pair < row_map.size(); ++pair)
      std::memcpy(out + pair * row_bytes, expert_out.row(row_map[pair]), row_bytes);
    requests_.push_back(comm_.isend(comm_rank(i), Tag::kCombine, {out, bytes}));
  }
}

void HostExpertAllToAll::locate_outputs(TensorView expert_out) {
  const auto* const received = reinterpret_cast<const float*>(buffers_->combine_in.data());
  const std::span<const int32_t> own_rows = grouping_.row_map(ep_rank_);
  const std::span<const float*> outputs = sum_.outputs();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const RoutingTable::Home home = table_.home(static_cast<int64_t>(i) / shape_.num_topk,
                                                static_cast<int>(i % shape_.num_topk));
    const auto pair = static_cast<size_t>(home.pair_idx);
    outputs[i] = home.ep_rank == ep_rank_
                     ? expert_out.row(own_rows[pair])
                     : received + combine_offset_[static_cast<size_t>(home.ep_rank)] +
                           pair * static_cast<size_t>(shape_.hidden_size);
  }
}

void HostExpertAllToAll::combine(DispatchHandle&&,
                                 TensorView expert_out,
                                 TensorView residual,
                                 const Exec& exec) {
  SHOAL_ASSERT(stage_ == Stage::kAtExperts, "combine without finish");
  SHOAL_ASSERT(expert_out.rows() == grouping_.rows().rows,
               "{} rows of expert output for {} rows",
               expert_out.rows(),
               grouping_.rows().rows);
  send_outputs(expert_out);
  locate_outputs(expert_out);
  wait_all(requests_, exec.deadline);
  requests_.clear();
  messages_under_way_ = false;
  sum_.add_to(residual, exec);
  stage_ = Stage::kIdle;
}

}  // namespace shoal::transport
