#include "transport/device_expert_all_to_all.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;

// Of an expert with replicas: the one at the asking rank, else spread by it (routing_table.cpp).
sharding::ExpertSlot choose_slot(std::span<const sharding::ExpertSlot> slots, int asking) {
  for (const sharding::ExpertSlot& slot : slots)
    if (slot.ep_rank == asking) return slot;
  return slots[static_cast<size_t>(asking) % slots.size()];
}

size_t ints(int64_t count) { return static_cast<size_t>(count) * sizeof(int32_t); }

}  // namespace

DeviceExpertAllToAll::DeviceExpertAllToAll(DeviceComm& comm,
                                           const device::Queue& queue,
                                           std::vector<int> group_ranks,
                                           const sharding::ExpertPlacement& placement,
                                           AllToAllShape shape)
    : comm_(comm),
      queue_(queue),
      kernels_(kernels::select_kernels(queue.backend())),
      group_ranks_(std::move(group_ranks)),
      shape_(shape),
      ep_(static_cast<int>(group_ranks_.size())),
      num_experts_(placement.num_experts()) {
  const auto own = std::find(group_ranks_.begin(), group_ranks_.end(), comm.rank());
  SHOAL_ASSERT(own != group_ranks_.end() && placement.ep() == ep_,
               "rank {} in a group of {}, experts on {}",
               comm.rank(),
               ep_,
               placement.ep());
  ep_rank_ = static_cast<int>(own - group_ranks_.begin());
  for (int rank = 0; rank < ep_; ++rank)
    most_experts_ = std::max(most_experts_, static_cast<int>(placement.experts(rank).size()));

  const auto memory = [&](size_t bytes) {
    return device::Memory(device::compute_memory(queue.backend()), bytes);
  };
  const int64_t capacity = shape.max_token_capacity;
  own_ids_ = memory(ints(capacity * shape.num_topk));
  all_ids_ = memory(ints(ep_ * capacity * shape.num_topk));
  by_destination_ = make_sorted(ep_, capacity);
  by_expert_ = make_sorted(static_cast<int>(placement.experts(ep_rank_).size()), ep_ * capacity);
  by_source_ = make_sorted(ep_, ep_ * capacity);
  const int64_t copies = std::min(shape.num_topk, most_experts_);
  const int64_t fixed_rows =
      std::min(capacity * copies * ep_, shape_.max_fixed_bytes / (shape.hidden_size * int64_t{4}));
  const auto row_bytes = static_cast<size_t>(shape.hidden_size) * sizeof(float);
  send_ = memory(static_cast<size_t>(ep_ * capacity * copies) * row_bytes);
  receive_ =
      memory(static_cast<size_t>(std::max(capacity * shape.num_topk, fixed_rows)) * row_bytes);
  const device::MemoryKind staging = device::staging_memory(queue.backend());
  host_starts_ = device::Memory(staging, ints(2 * (ep_ + 1)));

  const int64_t experts = num_experts_;
  std::vector<int32_t> tables(static_cast<size_t>(experts * (1 + 2 * ep_)), -1);
  for (int expert = 0; expert < num_experts_; ++expert) {
    tables[static_cast<size_t>(expert)] = choose_slot(placement.slots(expert), ep_rank_).ep_rank;
    for (int source = 0; source < ep_; ++source) {
      const sharding::ExpertSlot slot = choose_slot(placement.slots(expert), source);
      if (slot.ep_rank != ep_rank_) continue;
      tables[static_cast<size_t>(experts * (1 + source) + expert)] = slot.local_expert_idx;
      tables[static_cast<size_t>(experts * (1 + ep_ + source) + expert)] = source;
    }
  }
  tables_ = memory(tables.size() * sizeof(int32_t));
  queue.copy(tables_.data(), tables.data(), tables.size() * sizeof(int32_t));
  queue.wait(Deadline::never());
  rank_of_expert_ = tables_.as<int32_t>();
  expert_here_ = rank_of_expert_ + experts;
  source_if_here_ = expert_here_ + experts * ep_;
}

DeviceExpertAllToAll::Sorted DeviceExpertAllToAll::make_sorted(int num_groups,
                                                               int64_t max_rows) const {
  const int64_t pairs = max_rows * shape_.num_topk;
  Sorted sorted;
  sorted.memory = device::Memory(device::compute_memory(queue_.backend()),
                                 ints(4 * num_groups + num_groups + 1 + 3 * pairs));
  sorted.groups.num_experts = num_groups;
  sorted.groups.num_topk = shape_.num_topk;
  sorted.groups.active = sorted.memory.as<kernels::ActiveRows>();
  sorted.groups.starts = sorted.memory.as<int32_t>() + 4 * num_groups;
  sorted.groups.row_of_slot = sorted.groups.starts + num_groups + 1;
  sorted.groups.slot_of_pair = sorted.groups.row_of_slot + pairs;
  sorted.ids = sorted.groups.slot_of_pair + pairs;
  return sorted;
}

int64_t DeviceExpertAllToAll::pairs_a_message() const {
  return int64_t{routing_.token_capacity} * std::min(shape_.num_topk, most_experts_);
}

bool DeviceExpertAllToAll::recordable(int token_capacity) const {
  const int64_t pairs = int64_t{token_capacity} * std::min(shape_.num_topk, most_experts_);
  return ep_ * pairs * shape_.hidden_size * int64_t{sizeof(float)} <= shape_.max_fixed_bytes;
}

void DeviceExpertAllToAll::sort(Sorted& sorted,
                                TensorView from,
                                const int32_t* table,
                                const Exec& exec) {
  const TensorView ids = ids_view(sorted.ids, from.rows());
  sorted.groups.num_pairs = ids.elements();
  sorted.groups.likely_pairs = int64_t{routing_.token_capacity} * shape_.num_topk;
  kernels_.map_ids({.ids = from,
                    .table = table,
                    .num_ids = num_experts_,
                    .rows_per_table = routing_.token_capacity,
                    .output = ids},
                   exec);
  kernels_.group_rows({.topk_ids = ids, .groups = sorted.groups}, exec);
}

void DeviceExpertAllToAll::place(const Sorted& sorted, const Exec& exec) const {
  kernels_.place_pairs({.ids = ids_view(sorted.ids, sorted.groups.num_pairs / shape_.num_topk),
                        .groups = sorted.groups,
                        .capacity = pairs_a_message()},
                       exec);
}

void DeviceExpertAllToAll::gather_rows(const Routing& routing) {
  const int64_t rows = int64_t{ep_} * shape_.max_token_capacity;
  const bool quantized = routing.rows.format == ActivationFormat::kInt8;
  const size_t value_bytes =
      static_cast<size_t>(shape_.hidden_size) * (quantized ? sizeof(int8_t) : sizeof(float));
  const size_t scale_bytes =
      static_cast<size_t>(shape_.hidden_size / kernels::kActivationBlock) * sizeof(float);
  // Taken when the first step needs them, at their largest.
  const auto at_least = [&](device::Memory& memory, size_t row_bytes) {
    const size_t bytes = static_cast<size_t>(rows) * row_bytes;
    if (memory.size() < bytes)
      memory = device::Memory(device::compute_memory(queue_.backend()), bytes);
    return memory.data();
  };
  struct Part {
    const void* own;
    std::byte* all;
    size_t bytes;  // of one rank
  };
  const auto capacity = static_cast<size_t>(routing.token_capacity);
  std::vector<Part> parts = {
      {own_ids_.data(), all_ids_.data(), capacity * ints(shape_.num_topk)},
      {routing.rows.values, at_least(values_, value_bytes), capacity * value_bytes}};
  if (quantized) {
    parts.push_back({routing.rows.scales, at_least(scales_, scale_bytes), capacity * scale_bytes});
    parts.push_back({routing.rows.sums, at_least(sums_, scale_bytes), capacity * scale_bytes});
  }
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;
  for (int i = 0; i < ep_; ++i) {
    const int peer = group_ranks_[static_cast<size_t>(i)];
    for (const Part& part : parts) {
      sends.push_back({peer, part.own, part.bytes});
      receives.push_back({peer, part.all + static_cast<size_t>(i) * part.bytes, part.bytes});
    }
  }
  comm_.exchange(sends, receives);
}

DispatchHandle DeviceExpertAllToAll::start_dispatch(const Routing& routing, const Exec& exec) {
  SHOAL_ASSERT(routing.rows.rows <= routing.token_capacity &&
                   routing.token_capacity <= shape_.max_token_capacity &&
                   routing.topk_ids.cols() == shape_.num_topk,
               "{} rows of {} experts, capacity {} of {}",
               routing.rows.rows,
               routing.topk_ids.cols(),
               routing.token_capacity,
               shape_.max_token_capacity);
  routing_ = routing;
  shared_ = {};
  const TensorView own = ids_view(own_ids_.as<int32_t>(), routing.token_capacity);
  kernels_.map_ids({.ids = routing.topk_ids, .rows_per_table = 1, .output = own}, exec);
  gather_rows(routing);
  sort(by_destination_, own, rank_of_expert_, exec);
  if (recordable(routing.token_capacity)) place(by_destination_, exec);
  return {};
}

bool DeviceExpertAllToAll::take_shared(TensorView rows, const float* gate) {
  shared_ = rows;
  shared_gate_ = gate;
  return true;
}

ExpertRows DeviceExpertAllToAll::finish_dispatch(DispatchHandle&, const Exec& exec) {
  const int64_t rows = int64_t{ep_} * routing_.token_capacity;
  const TensorView all = ids_view(all_ids_.as<int32_t>(), rows);
  sort(by_expert_, all, expert_here_, exec);
  sort(by_source_, all, source_if_here_, exec);
  if (recordable(routing_.token_capacity)) {
    place(by_source_, exec);
  } else {
    const size_t bytes = ints(ep_ + 1);
    queue_.copy(host_starts_.data(), by_destination_.groups.starts, bytes);
    queue_.copy(host_starts_.data() + bytes, by_source_.groups.starts, bytes);
    queue_.mark(starts_arrived_);
  }
  kernels::ActivationRows arrived = routing_.rows;
  arrived.rows = rows;
  arrived.cols = shape_.hidden_size;
  arrived.values = values_.data();
  arrived.scales = scales_.as<float>();
  arrived.sums = sums_.as<float>();
  return {.rows = arrived, .groups = &by_expert_.groups};
}

void DeviceExpertAllToAll::exchange_outputs(const Exec& exec) {
  const auto row_bytes = static_cast<size_t>(shape_.hidden_size) * sizeof(float);
  const bool fixed = recordable(routing_.token_capacity);
  if (!fixed) starts_arrived_.wait(exec.deadline);
  const int32_t* to_others = host_starts_.as<int32_t>();
  const int32_t* from_others = to_others + ep_ + 1;
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;
  for (int i = 0; i < ep_; ++i) {
    const int peer = group_ranks_[static_cast<size_t>(i)];
    const int64_t fixed_rows = pairs_a_message();
    const int64_t send_at = fixed ? i * fixed_rows : from_others[i];
    const int64_t send_rows = fixed ? fixed_rows : from_others[i + 1] - from_others[i];
    const int64_t receive_at = fixed ? i * fixed_rows : to_others[i];
    const int64_t receive_rows = fixed ? fixed_rows : to_others[i + 1] - to_others[i];
    sends.push_back({peer,
                     send_.data() + static_cast<size_t>(send_at) * row_bytes,
                     static_cast<size_t>(send_rows) * row_bytes});
    receives.push_back({peer,
                        receive_.data() + static_cast<size_t>(receive_at) * row_bytes,
                        static_cast<size_t>(receive_rows) * row_bytes});
  }
  comm_.exchange(sends, receives);
}

void DeviceExpertAllToAll::combine(DispatchHandle&&,
                                   TensorView expert_out,
                                   TensorView residual,
                                   const Exec& exec) {
  const auto row_bytes = static_cast<size_t>(shape_.hidden_size) * sizeof(float);
  const auto rows_in = [&](const device::Memory& memory) {
    return view_f32(
        memory.as<float>(), static_cast<int64_t>(memory.size() / row_bytes), shape_.hidden_size);
  };
  kernels_.move_rows({.input = expert_out,
                      .from = by_expert_.groups.slot_of_pair,
                      .to = by_source_.groups.slot_of_pair,
                      .num_pairs = by_expert_.groups.num_pairs,
                      .output = rows_in(send_)},
                     exec);
  exchange_outputs(exec);
  if (residual.rows() == 0) return;
  kernels_.combine_rows({.expert_out = rows_in(receive_),
                         .topk_weights = routing_.topk_weights,
                         .slot_of_pair = by_destination_.groups.slot_of_pair,
                         .shared = shared_,
                         .shared_gate = shared_gate_,
                         .residual = residual},
                        exec);
}

}  // namespace shoal::transport
