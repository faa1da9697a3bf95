// One key floods, another asks now and then: what that does to the other's time to first token.
// Virtual time; a step takes `fixed + tokens * per_token`, as on a device that reads its weights
// once a step (most of it fixed) or on one that is bound by arithmetic (most of it by tokens).
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "runtime/scheduler/scheduler.h"

namespace shoal::scheduler {
namespace {

struct Machine {
  double fixed, per_token;  // seconds
};

struct Request {
  std::string owner;
  double at;
  int64_t prompt, output;
};

// Poisson arrivals; prompts of 64 to 2,048 tokens, evenly on a logarithmic scale.
std::vector<Request> load(const std::string& owner, double rate, double end, unsigned seed) {
  std::mt19937 random(seed);
  std::exponential_distribution<double> gap(rate);
  std::uniform_real_distribution<double> bits(6, 11);
  std::uniform_int_distribution<int64_t> output(16, 128);
  std::vector<Request> out;
  for (double at = gap(random); at < end; at += gap(random))
    out.push_back({owner, at, static_cast<int64_t>(std::exp2(bits(random))), output(random)});
  return out;
}

// The coordinator in small: a queue of 64 an owner, admission by turns, plans ahead of results.
class Simulation {
 public:
  enum class Keys { kOwn, kShared };  // shared: the scheduler cannot tell the two apart
  explicit Simulation(Machine machine, Keys keys = Keys::kOwn) : machine_(machine), keys_(keys) {}

  // Times to first token of the owner's requests, sorted.
  std::vector<double> run(std::vector<Request> requests, const std::string& owner) {
    std::sort(requests.begin(), requests.end(), [](auto& a, auto& b) { return a.at < b.at; });
    size_t next = 0;
    while (next < requests.size() || !running_.empty() || !queues_.empty()) {
      const bool arrives = next < requests.size() &&
                           (in_flight_.empty() || requests[next].at <= in_flight_.front().done);
      if (arrives) {
        now_ = requests[next].at;
        arrive(requests[next++]);
      } else {
        now_ = in_flight_.front().done;
        finish(in_flight_.front().plan);
        in_flight_.pop_front();
      }
      admit();
      while (const auto plan = scheduler_.next_plan(1)) send(*plan);
    }
    std::sort(first_token_[owner].begin(), first_token_[owner].end());
    return first_token_[owner];
  }

 private:
  struct Sent {
    plan::StepPlan plan;
    double done;
  };

  std::string key(const Request& request) const { return keys_ == Keys::kOwn ? request.owner : ""; }

  void arrive(const Request& request) {
    auto& queue = queues_[key(request)];
    if (queue.size() >= 64) return;  // refused
    queue.push_back(request);
    shares_->begin(key(request));
  }

  void admit() {
    while (!queues_.empty()) {
      const auto next =
          std::min_element(queues_.begin(), queues_.end(), [&](const auto& a, const auto& b) {
            return scheduler_.goes_before(a.first, b.first);
          });
      const Request request = next->second.front();
      NewSequence sequence;
      sequence.id = next_id_;
      sequence.max_tokens = request.output;
      sequence.owner = key(request);
      sequence.prompt.assign(static_cast<size_t>(request.prompt), static_cast<int32_t>(next_id_));
      if (scheduler_.admit(sequence) != AdmitResult::kAdmitted) return;
      running_[next_id_++] = {request, 0};
      next->second.pop_front();
      if (next->second.empty()) queues_.erase(next);
    }
  }

  void send(const plan::StepPlan& plan) {
    const double start = in_flight_.empty() ? now_ : in_flight_.back().done;
    in_flight_.push_back({plan, start + machine_.fixed + machine_.per_token * plan.token_capacity});
  }

  void finish(const plan::StepPlan& plan) {
    for (const auto& one : plan.sequences) {
      const auto found = running_.find(one.id);
      if (!one.sample || found == running_.end()) continue;
      auto& [request, samples] = found->second;
      scheduler_.token_known(one.id, 1);
      if (samples++ == 0) first_token_[request.owner].push_back(now_ - request.at);
      if (samples < request.output) continue;
      scheduler_.release(one.id);
      shares_->end(key(request));
      running_.erase(found);
    }
    scheduler_.step_done(plan.step_id);
  }

  Machine machine_;
  Keys keys_;
  std::shared_ptr<FairShare> shares_ = std::make_shared<FairShare>();
  Scheduler scheduler_{{.num_blocks = 8 * 2176 / 32 / 2,  // pressure: half of what eight may need
                        .num_slots = 8,
                        .max_batch_tokens = 512,
                        .max_sequences = 8},
                       shares_};
  double now_ = 0;
  plan::SequenceId next_id_ = 1;
  std::map<std::string, std::deque<Request>> queues_;  // none empty
  std::map<plan::SequenceId, std::pair<Request, int64_t>> running_;
  std::deque<Sent> in_flight_;
  std::map<std::string, std::vector<double>> first_token_;
};

double p99(const std::vector<double>& sorted) { return sorted[sorted.size() * 99 / 100]; }

class FairLoad : public testing::TestWithParam<Machine> {};

TEST_P(FairLoad, AFloodOfAHundredToOneAtMostDoublesTheOthersP99) {
  // Alone its longest request would keep the machine busy a seventh of the time.
  const double longest = GetParam().fixed * (2048 / 512 + 128) + GetParam().per_token * 2048;
  const double rate = 0.15 / longest;
  const double end = 500 / rate;
  const auto light = load("light", rate, end, 1);
  const auto alone = Simulation(GetParam()).run(light, "light");
  auto both = load("heavy", 100 * rate, end, 2);
  both.insert(both.end(), light.begin(), light.end());
  const auto beside = Simulation(GetParam()).run(both, "light");
  ASSERT_EQ(alone.size(), light.size());
  ASSERT_EQ(beside.size(), light.size()) << "none is refused";
  RecordProperty("p99_alone_ms", static_cast<int>(1000 * p99(alone)));
  RecordProperty("p99_beside_ms", static_cast<int>(1000 * p99(beside)));
  EXPECT_LE(p99(beside), 2 * p99(alone));
  // The load is a flood indeed, and the keys what helps.
  const auto mixed = Simulation(GetParam(), Simulation::Keys::kShared).run(both, "light");
  EXPECT_GT(p99(mixed), 10 * p99(alone));
}

INSTANTIATE_TEST_SUITE_P(Machines,
                         FairLoad,
                         testing::Values(Machine{0.020, 0.00002},   // bound by weights
                                         Machine{0.001, 0.00050}),  // bound by arithmetic
                         [](const auto& machine) {
                           return machine.param.fixed > 0.01 ? "Weights" : "Arithmetic";
                         });

}  // namespace
}  // namespace shoal::scheduler
