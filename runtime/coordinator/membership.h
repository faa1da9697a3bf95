// Who belongs to the job: one epoch at a time, one link a rank. Decides, from messages and the time
// given to it, when all ranks are there, when all are ready, and which rank is lost and why. Sends
// nothing itself. One thread.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/control/messages.h"
#include "runtime/coordinator/rank_links.h"

namespace shoal::coordinator {

using TimePoint = std::chrono::steady_clock::time_point;

struct MembershipConfig {
  int world_size = 1;
  std::string job_token;
  std::string build;
  std::chrono::milliseconds startup_timeout{60'000};
  std::chrono::milliseconds heartbeat_timeout{2'000};
};

// A rank that is gone, and the one line that says why.
struct LostRank {
  int rank = 0;
  int exit_code = 0;  // what the rank said of itself; 0: it said nothing
  std::string why;
};

class Membership {
 public:
  enum class State : uint8_t { kAbsent, kLoading, kReady, kLost };
  struct Member {
    State state = State::kAbsent;
    LinkId link = 0;
    std::string host, kernels;
    int64_t pid = 0;
    TimePoint last_heard{}, last_progress{};
    control::LoadProgress progress;
  };

  explicit Membership(MembershipConfig config);

  // All links so far belong to the past.
  void begin_epoch(plan::Epoch epoch, TimePoint now);
  plan::Epoch epoch() const { return epoch_; }

  // Why the link must leave; empty when it is in.
  std::optional<std::string> hello(LinkId link, const control::Hello& hello, TimePoint now);
  void progress(LinkId link, const control::LoadProgress& progress, TimePoint now);
  void heard(LinkId link, TimePoint now);
  std::optional<LostRank> failure(LinkId link, const control::RankFailure& failure);
  std::optional<LostRank> closed(LinkId link);
  LostRank job_ended(const std::string& how) const;
  // Silence: a rank that never reported, or stopped to.
  std::optional<LostRank> check(TimePoint now) const;

  bool everyone_here() const;
  bool everyone_ready() const;
  std::optional<int> rank_of(LinkId link) const;
  const std::vector<Member>& members() const { return members_; }

 private:
  MembershipConfig config_;
  plan::Epoch epoch_ = 0;
  TimePoint began_{};
  std::vector<Member> members_;  // by rank
  std::map<LinkId, int> rank_by_link_;
};

}  // namespace shoal::coordinator
