#include "runtime/engine/stage_links.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/base/error.h"

namespace shoal::engine {
namespace {

// How long a rank that ends waits for messages that healthy peers have sent already.
constexpr std::chrono::milliseconds kLastMessages{200};

// Indices into step.sequences() by the rank that owns them on another stage.
std::map<int, std::vector<size_t>> by_owner(const LocalStep& step,
                                            const sharding::RankGrid& grid,
                                            int stage) {
  std::map<int, std::vector<size_t>> out;
  for (size_t i = 0; i < step.sequences().size(); ++i)
    out[grid.owner(stage, step.sequences()[i].sequence->admission.home)].push_back(i);
  return out;
}

int64_t rows_of(const LocalStep& step, const std::vector<size_t>& sequences) {
  int64_t rows = 0;
  for (const size_t i : sequences) rows += step.sequences()[i].num_rows;
  return rows;
}

std::vector<size_t> sampling_only(const LocalStep& step, const std::vector<size_t>& sequences) {
  std::vector<size_t> out;
  for (const size_t i : sequences)
    if (step.sequences()[i].scheduled->sample) out.push_back(i);
  return out;
}

}  // namespace

StageLinks::~StageLinks() {
  const Deadline deadline = Deadline::after(kLastMessages);
  const auto abandon = [&deadline](transport::Request& request, auto& memory) {
    try {
      while (!request.test())
        if (deadline.passed()) throw PeerLost(request.peer(), "a last message is missing");
    } catch (const Error&) {
      (void)new auto(std::move(memory));
    }
  };
  for (Message& message : sending_) abandon(message.request, message.bytes);
  for (Message& message : receiving_) abandon(message.request, message.bytes);
  for (Expected& expected : expected_) abandon(expected.request, expected.tokens);
}

void StageLinks::send(int to, transport::Tag tag, std::vector<std::byte> bytes) {
  while (!sending_.empty() && sending_.front().request.test()) sending_.pop_front();
  Message& sending = sending_.emplace_back();
  sending.bytes = std::move(bytes);
  sending.request = comm_.isend(to, tag, sending.bytes);
}

void StageLinks::receive_hidden(const LocalStep& step, TensorView hidden, Deadline deadline) {
  const auto sources = by_owner(step, grid_, stage_ - 1);
  const auto row_bytes = static_cast<size_t>(hidden.cols()) * sizeof(float);
  receiving_.clear();
  for (const auto& [rank, sequences] : sources) {
    Message& message = receiving_.emplace_back();
    message.bytes.resize(static_cast<size_t>(rows_of(step, sequences)) * row_bytes);
    message.request = comm_.irecv(rank, transport::Tag::kHidden, message.bytes);
  }
  for (Message& message : receiving_) transport::wait_all(std::span(&message.request, 1), deadline);
  auto message = receiving_.begin();
  for (const auto& [rank, sequences] : sources) {
    const std::byte* from = (message++)->bytes.data();
    for (const size_t i : sequences) {
      const LocalSequence& sequence = step.sequences()[i];
      const size_t bytes = static_cast<size_t>(sequence.num_rows) * row_bytes;
      std::memcpy(hidden.row(sequence.first_row), from, bytes);
      from += bytes;
    }
  }
}

void StageLinks::send_hidden(const LocalStep& step, TensorView hidden) {
  const auto row_bytes = static_cast<size_t>(hidden.cols()) * sizeof(float);
  for (const auto& [rank, sequences] : by_owner(step, grid_, stage_ + 1)) {
    std::vector<std::byte> bytes(static_cast<size_t>(rows_of(step, sequences)) * row_bytes);
    std::byte* to = bytes.data();
    for (const size_t i : sequences) {
      const LocalSequence& sequence = step.sequences()[i];
      const size_t count = static_cast<size_t>(sequence.num_rows) * row_bytes;
      std::memcpy(to, hidden.row(sequence.first_row), count);
      to += count;
    }
    send(rank, transport::Tag::kHidden, std::move(bytes));
  }
}

void StageLinks::receive_hidden(const LocalStep& step,
                                TensorView hidden,
                                transport::DeviceComm& comm) const {
  std::vector<transport::DeviceReceive> receives;
  for (const LocalSequence& local : step.sequences()) {
    const TensorView rows = hidden.slice_rows(local.first_row, local.first_row + local.num_rows);
    receives.push_back({grid_.owner(stage_ - 1, local.sequence->admission.home),
                        rows.data,
                        static_cast<size_t>(rows.elements()) * sizeof(float)});
  }
  comm.exchange({}, receives);
}

void StageLinks::send_hidden(const LocalStep& step,
                             TensorView hidden,
                             transport::DeviceComm& comm) const {
  std::vector<transport::DeviceSend> sends;
  for (const LocalSequence& local : step.sequences()) {
    const TensorView rows = hidden.slice_rows(local.first_row, local.first_row + local.num_rows);
    sends.push_back({grid_.owner(stage_ + 1, local.sequence->admission.home),
                     rows.data,
                     static_cast<size_t>(rows.elements()) * sizeof(float)});
  }
  comm.exchange(sends, {});
}

void StageLinks::send_tokens(const LocalStep& step, const std::vector<int32_t>& sampled) {
  // sampled is indexed by the step's sampling sequences, by_owner by all of them.
  std::vector<int32_t> by_sequence(step.sequences().size(), plan::kPreviousSample);
  size_t next = 0;
  for (size_t i = 0; i < step.sequences().size(); ++i)
    if (step.sequences()[i].scheduled->sample) by_sequence[i] = sampled[next++];
  for (const auto& [rank, sequences] : by_owner(step, grid_, 0)) {
    if (rank == comm_.rank()) continue;
    std::vector<int32_t> tokens;
    for (const size_t i : sampling_only(step, sequences)) tokens.push_back(by_sequence[i]);
    if (tokens.empty()) continue;
    const auto* bytes = reinterpret_cast<const std::byte*>(tokens.data());
    send(rank,
         transport::Tag::kToken,
         std::vector<std::byte>(bytes, bytes + tokens.size() * sizeof(int32_t)));
  }
}

void StageLinks::expect_tokens(const LocalStep& step) {
  for (const auto& [rank, sequences] : by_owner(step, grid_, grid_.num_stages() - 1)) {
    const std::vector<size_t> sampling = sampling_only(step, sequences);
    if (rank == comm_.rank() || sampling.empty()) continue;
    Expected& expected = expected_.emplace_back();
    for (const size_t i : sampling) {
      expected.ids.push_back(step.sequences()[i].scheduled->id);
      ++step.sequences()[i].sequence->samples_under_way;
    }
    expected.tokens.resize(sampling.size());
    expected.request = comm_.irecv(
        rank, transport::Tag::kToken, std::as_writable_bytes(std::span<int32_t>(expected.tokens)));
  }
}

void StageLinks::arrive(Expected& expected, SequenceTable& table) {
  for (size_t i = 0; i < expected.ids.size(); ++i) {
    if (!expected.ids[i]) continue;
    RankSequence* sequence = table.find(*expected.ids[i]);
    if (sequence == nullptr) continue;
    sequence->last_sample = expected.tokens[i];
    --sequence->samples_under_way;
  }
}

void StageLinks::forget(std::span<const plan::SequenceId> ids) {
  for (Expected& expected : expected_)
    for (std::optional<plan::SequenceId>& id : expected.ids)
      if (id && std::find(ids.begin(), ids.end(), *id) != ids.end()) id.reset();
}

void StageLinks::take_arrived(SequenceTable& table) {
  // Messages of one rank arrive in order; those of different ranks concern different sequences.
  std::map<int, bool> blocked;
  for (auto it = expected_.begin(); it != expected_.end();) {
    bool& waits = blocked[it->request.peer()];
    if (!waits && it->request.test()) {
      arrive(*it, table);
      it = expected_.erase(it);
    } else {
      waits = true;
      ++it;
    }
  }
}

void StageLinks::fill_previous_samples(LocalStep& step, SequenceTable& table, Deadline deadline) {
  take_arrived(table);
  for (const LocalSequence& local : step.sequences()) {
    int32_t& token = step.token_ids()[static_cast<size_t>(local.first_row)];
    if (token != plan::kPreviousSample) continue;
    while (local.sequence->samples_under_way > 0) {
      transport::wait_all(std::span(&expected_.front().request, 1), deadline);
      arrive(expected_.front(), table);
      expected_.pop_front();
    }
    token = local.sequence->last_sample;
  }
}

}  // namespace shoal::engine
