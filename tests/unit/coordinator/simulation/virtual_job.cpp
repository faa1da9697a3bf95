#include "tests/unit/coordinator/simulation/virtual_job.h"

#include <algorithm>

namespace shoal::coordinator::simulation {

VirtualJob::VirtualJob(VirtualTime& time, std::mt19937_64& random, const sharding::ShardPlan& plan)
    : time_(time), random_(random), plan_(plan) {}

Micros VirtualJob::between(int64_t low, int64_t high) {
  return Micros(std::uniform_int_distribution<int64_t>(low, high)(random_));
}

TimePoint VirtualJob::arrival(Rank& rank, TimePoint& last) {
  TimePoint at = std::max(time_.now() + between(50, 3'000), rank.cut_until);
  if (!chance(noise)) at = std::max(at, last);  // else it overtakes
  last = std::max(last, at);
  return at;
}

void VirtualJob::supervise() {
  const auto wanted = coordinator_->next_job(Deadline::after(std::chrono::nanoseconds(0)));
  if (!wanted) return;
  if (job_ != nullptr)
    for (Rank& rank : job_->ranks) rank.alive = false;
  job_ = std::make_shared<Job>();
  job_->epoch = wanted->epoch;
  job_->ranks.resize(static_cast<size_t>(wanted->world_size));
  job_->engine = std::make_unique<FakeEngine>(plan_);
  for (int rank = 0; rank < wanted->world_size; ++rank) {
    job_->ranks[static_cast<size_t>(rank)].alive = true;
    time_.after(between(200'000, 900'000), [this, job = job_, rank] {
      if (!job->ranks[static_cast<size_t>(rank)].alive) return;
      up(job,
         rank,
         control::Hello{.job_token = "secret",
                        .epoch = job->epoch,
                        .rank = rank,
                        .world_size = static_cast<int>(job->ranks.size()),
                        .host = "host",
                        .pid = 1,
                        .build = "test"});
      beat(job, rank);
    });
  }
}

void VirtualJob::up(const JobPtr& job, int rank, control::ToCoordinator message) {
  Rank& from = job->ranks[static_cast<size_t>(rank)];
  if (chance(noise)) return;
  for (int copies = chance(noise) ? 2 : 1; copies > 0; --copies)
    time_.after(
        std::chrono::duration_cast<Micros>(arrival(from, from.up) - time_.now()),
        [this, link = link_of(*job, rank), message] { coordinator_->on_message(link, message); });
}

void VirtualJob::beat(const JobPtr& job, int rank) {
  Rank& from = job->ranks[static_cast<size_t>(rank)];
  if (!from.alive) return;
  if (!from.frozen) up(job, rank, control::Heartbeat{job->epoch, job->done});
  time_.after(Micros(200'000), [this, job, rank] { beat(job, rank); });
}

void VirtualJob::send(LinkId link, const control::ToWorker& message) {
  const auto rank = static_cast<int>(link % 100) - 1;
  const JobPtr job = job_;
  if (job == nullptr || link / 100 != job->epoch) return;
  Rank& to = job->ranks[static_cast<size_t>(rank)];
  if (chance(noise)) return;
  for (int copies = chance(noise) ? 2 : 1; copies > 0; --copies)
    time_.after(std::chrono::duration_cast<Micros>(arrival(to, to.down) - time_.now()),
                [this, job, rank, message] { arrive(job, rank, message); });
}

void VirtualJob::close(LinkId) {}

void VirtualJob::arrive(const JobPtr& job, int rank, const control::ToWorker& message) {
  Rank& self = job->ranks[static_cast<size_t>(rank)];
  if (!self.alive) return;
  if (self.frozen) {
    time_.after(Micros(20'000), [this, job, rank, message] { arrive(job, rank, message); });
    return;
  }
  if (std::holds_alternative<control::Leave>(message)) self.alive = false;
  if (std::holds_alternative<control::Welcome>(message) && !std::exchange(self.welcomed, true))
    time_.after(between(20'000, 300'000), [this, job, rank] {
      if (job->ranks[static_cast<size_t>(rank)].alive)
        up(job, rank, control::LoadProgress{.epoch = job->epoch, .rank = rank, .ready = true});
    });
  const auto* plan = std::get_if<plan::StepPlan>(&message);
  if (plan == nullptr || plan->step_id <= self.seen) return;
  if (plan->step_id != self.seen + 1) {
    up(job, rank, control::RankFailure{job->epoch, rank, 1, "a plan is missing"});
    self.alive = false;
    return;
  }
  self.seen = plan->step_id;
  auto& [kept, ranks] = job->steps[plan->step_id];
  kept = *plan;
  ++ranks;
  run_next(job);
}

// Ranks work together: a step runs when all have its plan, and stands while one of them does.
void VirtualJob::run_next(const JobPtr& job) {
  const auto next = job->steps.find(job->done + 1);
  if (job->running != 0 || next == job->steps.end() ||
      next->second.second < static_cast<int>(job->ranks.size()))
    return;
  job->running = next->first;
  time_.after(between(5'000, 60'000), [this, job] { finish(job); });
}

void VirtualJob::finish(const JobPtr& job) {
  for (const Rank& rank : job->ranks) {
    if (!rank.alive) return;
    if (!rank.frozen) continue;
    time_.after(Micros(20'000), [this, job] { finish(job); });
    return;
  }
  const plan::StepPlan plan = std::move(job->steps.at(job->running).first);
  job->steps.erase(job->running);
  job->done = std::exchange(job->running, 0);
  for (const plan::ScheduledSequence& sequence : plan.sequences)
    if (poison >= 0 && std::ranges::count(sequence.tokens, poison) > 0) return die(job, 0);
  const auto scores = job->engine->run(plan);
  if (complaint_.empty()) complaint_ = job->engine->complaint();
  const sharding::RankGrid& grid = plan_.grid;
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    plan::StepResult result{.epoch = job->epoch, .step_id = plan.step_id, .rank = rank};
    for (const auto& [home, score] : scores)
      if (grid.owner(grid.num_stages() - 1, home) == rank) result.tokens.push_back(score);
    up(job, rank, std::move(result));
  }
  run_next(job);
}

void VirtualJob::die(const JobPtr& job, int rank) {
  Rank& victim = job->ranks[static_cast<size_t>(rank)];
  if (!std::exchange(victim.alive, false)) return;
  const TimePoint at = std::max(victim.up, time_.now() + between(100, 5'000));
  time_.after(std::chrono::duration_cast<Micros>(at - time_.now()),
              [this, link = link_of(*job, rank)] { coordinator_->on_closed(link); });
}

void VirtualJob::kill_rank(int rank) {
  if (job_ != nullptr) die(job_, rank);
}

void VirtualJob::kill_all() {
  if (job_ == nullptr) return;
  for (Rank& rank : job_->ranks) rank.alive = false;
  time_.after(between(100, 20'000), [this, epoch = job_->epoch] {
    coordinator_->job_ended(epoch, "mpirun was killed by signal 9");
  });
}

void VirtualJob::freeze(int rank, Micros how_long) {
  if (job_ == nullptr) return;
  job_->ranks[static_cast<size_t>(rank)].frozen = true;
  time_.after(how_long,
              [job = job_, rank] { job->ranks[static_cast<size_t>(rank)].frozen = false; });
}

void VirtualJob::cut(int rank, Micros how_long) {
  if (job_ != nullptr) job_->ranks[static_cast<size_t>(rank)].cut_until = time_.now() + how_long;
}

}  // namespace shoal::coordinator::simulation
