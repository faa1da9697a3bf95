// What crosses pipeline stages: hidden rows forward, sampled tokens back to the first stage. Both
// ends derive every message's size from the plan, so nothing is announced. Sends do not wait: a
// stage goes on with the next plan while its rows are on the way. One thread.
#pragma once
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "runtime/engine/local_step.h"
#include "transport/device_comm.h"
#include "transport/host_comm.h"

namespace shoal::engine {

class StageLinks {
 public:
  StageLinks(transport::HostComm& comm, const sharding::RankGrid& grid)
      : comm_(comm), grid_(grid), stage_(grid.place(comm.rank()).stage) {}
  // Messages may still be under way (the last tokens of a run, or a peer that is gone): what does
  // not end within a moment is abandoned, and its memory with it, since MPI may yet write there.
  ~StageLinks();
  StageLinks(const StageLinks&) = delete;
  StageLinks& operator=(const StageLinks&) = delete;

  bool first_stage() const { return stage_ == 0; }
  bool last_stage() const { return stage_ == grid_.num_stages() - 1; }

  // Rows of this rank's sequences from their owners on the stage before.
  void receive_hidden(const LocalStep& step, TensorView hidden, Deadline deadline);
  // Rows of this rank's sequences to their owners on the next stage.
  void send_hidden(const LocalStep& step, TensorView hidden);

  // The same where rows lie on a device: enqueued, a message a sequence.
  void receive_hidden(const LocalStep& step, TensorView hidden, transport::DeviceComm& comm) const;
  void send_hidden(const LocalStep& step, TensorView hidden, transport::DeviceComm& comm) const;

  // Last stage: the tokens just sampled, to the ranks that will embed them. `sampled` holds one
  // token for each sequence of the step that samples, in order.
  void send_tokens(const LocalStep& step, const std::vector<int32_t>& sampled);
  // First stage: expects those tokens; called once a step, after its rows were sent.
  void expect_tokens(const LocalStep& step);
  // First stage: replaces kPreviousSample by what was sampled, waiting where it is not here yet.
  void fill_previous_samples(LocalStep& step, SequenceTable& table, Deadline deadline);
  // These sequences left. What is under way for them is still received, and belongs to nobody:
  // a sequence that was paused enters again under its id.
  void forget(std::span<const plan::SequenceId> ids);

 private:
  struct Message {
    transport::Request request;
    std::vector<std::byte> bytes;
  };
  struct Expected {
    transport::Request request;
    std::vector<int32_t> tokens;
    std::vector<std::optional<plan::SequenceId>> ids;  // empty: it left
  };

  void send(int to, transport::Tag tag, std::vector<std::byte> bytes);
  void arrive(Expected& expected, SequenceTable& table);
  void take_arrived(SequenceTable& table);

  transport::HostComm& comm_;
  const sharding::RankGrid& grid_;
  int stage_;
  std::deque<Message> sending_;
  std::vector<Message> receiving_;  // hidden rows of the step at hand
  std::deque<Expected> expected_;
};

}  // namespace shoal::engine
