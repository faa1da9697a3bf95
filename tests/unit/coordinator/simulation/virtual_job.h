// The ranks' job and its links in virtual time. Links keep their order and lose nothing, as gRPC
// streams do, except while the noise is on: then messages are dropped, doubled and overtaken too.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <vector>

#include "runtime/coordinator/coordinator.h"
#include "tests/unit/coordinator/simulation/fake_engine.h"

namespace shoal::coordinator::simulation {

using TimePoint = std::chrono::steady_clock::time_point;
using Micros = std::chrono::microseconds;

// Events in the order of their time, then of their making.
class VirtualTime {
 public:
  TimePoint now() const { return now_; }
  void after(Micros delay, std::function<void()> action) {
    actions_.emplace(now_ + delay, std::move(action));
  }
  // Runs the next event; the clock stands where it is due.
  void step() {
    auto node = actions_.extract(actions_.begin());
    now_ = node.key();
    node.mapped()();
  }

 private:
  TimePoint now_{std::chrono::hours(1)};
  std::multimap<TimePoint, std::function<void()>> actions_;
};

class VirtualJob final : public RankLinks {
 public:
  VirtualJob(VirtualTime& time, std::mt19937_64& random, const sharding::ShardPlan& plan);

  void attach(Coordinator& coordinator) { coordinator_ = &coordinator; }
  void supervise();  // starts the job that the coordinator wants, in place of the last one
  void send(LinkId link, const control::ToWorker& message) override;
  void close(LinkId link) override;

  void kill_rank(int rank);
  void kill_all();
  void freeze(int rank, Micros how_long);
  void cut(int rank, Micros how_long);  // nothing passes; what was sent arrives afterwards
  double noise = 0;                     // chance that a message is dropped, doubled or overtaken
  int32_t poison = -1;                  // a token that kills the rank that is fed with it
  const std::string& complaint() const { return complaint_; }

 private:
  struct Rank {
    bool alive = false, frozen = false, welcomed = false;
    TimePoint cut_until{}, up{}, down{};  // when the last message of each direction arrives
    plan::StepId seen = 0;
  };
  struct Job {
    plan::Epoch epoch = 0;
    std::vector<Rank> ranks;
    std::map<plan::StepId, std::pair<plan::StepPlan, int>> steps;  // and how many ranks have it
    plan::StepId running = 0;                                      // 0: none
    plan::StepId done = 0;
    std::unique_ptr<FakeEngine> engine;
  };
  using JobPtr = std::shared_ptr<Job>;

  Micros between(int64_t low, int64_t high);
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  LinkId link_of(const Job& job, int rank) const {
    return job.epoch * 100 + static_cast<LinkId>(rank) + 1;
  }
  void up(const JobPtr& job, int rank, control::ToCoordinator message);
  void arrive(const JobPtr& job, int rank, const control::ToWorker& message);
  void beat(const JobPtr& job, int rank);
  void die(const JobPtr& job, int rank);
  void run_next(const JobPtr& job);
  void finish(const JobPtr& job);
  TimePoint arrival(Rank& rank, TimePoint& last);

  VirtualTime& time_;
  std::mt19937_64& random_;
  const sharding::ShardPlan& plan_;
  Coordinator* coordinator_ = nullptr;
  JobPtr job_;
  std::string complaint_;
};

}  // namespace shoal::coordinator::simulation
