// The whole coordinator in virtual time: a seed draws requests and faults, and whatever happens,
// every stream is the golden text (FakeEngine's own, without any coordinator), in order, once, with
// one end, and afterwards all is free and served again. SHOAL_SIM_SEED=N runs one seed, and
// SHOAL_SIM_SEEDS=N so many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/base/env.h"
#include "runtime/base/log.h"
#include "runtime/coordinator/choices.h"
#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/simulation/virtual_job.h"

namespace shoal::coordinator::simulation {
namespace {

constexpr int32_t kPoison = 42;

class MemoryStore final : public JournalStore {
 public:
  bool append(std::string_view) override { return !full; }
  bool full = false;
};

// One client: what it got, checked as it comes.
class Client final : public StreamSink {
 public:
  explicit Client(GenerationRequest asked) : request(std::move(asked)) {
    texts.resize(static_cast<size_t>(request.num_choices), request.prompt_ids);
  }
  void delta(Delta delta) override {
    auto& text = texts[static_cast<size_t>(delta.index)];
    const uint64_t seed = choice_seed(request.sampling.seed, delta.index);
    for (const int32_t token : delta.token_ids) {
      if (token != token_after(text, seed) && wrong.empty())
        wrong = fmt::format("token {} of choice {} differs", text.size(), delta.index);
      text.push_back(token);
    }
    if (ends > 0) wrong = "a token after the end";
  }
  void scored(std::vector<plan::TokenScore> scores) override {
    for (const plan::TokenScore& score : scores)
      if (score.position != ++last_score) wrong = fmt::format("score {} differs", score.position);
  }
  void finished(const Finished& end) override {
    if (++ends > 1) wrong = "a second end";
    if (end.reason == FinishReason::kCancelled) return;
    for (const auto& text : texts)
      if (std::ssize(text) != std::ssize(request.prompt_ids) + request.max_tokens)
        wrong = "the text is not whole";
  }
  void failed(const Failure& why) override {
    if (++ends > 1) wrong = "a second end";
    failure = why.reason;
  }

  GenerationRequest request;
  std::vector<std::vector<int32_t>> texts;
  int64_t last_score = 0;
  int ends = 0;
  std::string wrong, failure;
};

const sharding::ShardPlan& plan_of(size_t kind) {
  static const std::vector<std::vector<int>> kGrids = {{1}, {2}, {3}, {1, 1}, {2, 1}};
  static std::map<size_t, sharding::ShardPlan> plans;
  const auto known = plans.find(kind % kGrids.size());
  if (known != plans.end()) return known->second;
  auto planned = sharding::plan_shards(
      demo_model()->directory,
      demo_model()->config,
      {.ep_per_stage = kGrids[kind % kGrids.size()], .context = kContext, .max_sequences = 4});
  return plans.emplace(kind % kGrids.size(), std::get<sharding::ShardPlan>(std::move(planned)))
      .first->second;
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    CoordinatorConfig config = demo_config();
    config.plan = plan_of(random_());
    config.plan.num_blocks = draw(9, 40);
    config.max_sequences = 4;
    config.max_queue = 60;
    config.max_batch_tokens = draw(16, 128);
    config.heartbeat_timeout = std::chrono::seconds(2);
    config.startup_timeout = config.step_timeout = std::chrono::seconds(5);
    config.restart_budget = 1000;
    config.now = [this] { return time_.now(); };
    config.journal_store = store_;
    coordinator_ = std::make_unique<Coordinator>(std::move(config), demo_model());
    job_ = std::make_unique<VirtualJob>(time_, random_, coordinator_->config().plan);
    job_->attach(*coordinator_);
  }

  // What is wrong; empty: nothing.
  std::string run() {
    coordinator_->begin(*job_);
    if (!run_until([&] { return phase() == Phase::kServing; }, 30)) return "it never served";
    has_poison_ = draw(0, 9) == 0;
    if (has_poison_) job_->poison = kPoison;
    for (int i = draw(3, 8); i > 0; --i) ask(draw(0, 3'000), i == 1 && has_poison_);
    for (int i = draw(0, 6); i > 0; --i)
      time_.after(std::chrono::milliseconds(draw(0, 5'000)), [this] { fault(); });
    run_until([] { return false; }, 15);  // by then every fault has struck and healed
    job_->noise = 0;
    store_->full = false;
    const auto ended = [&] {
      return std::ranges::all_of(clients_, [](const auto& client) { return client->ends > 0; });
    };
    if (!run_until([&] { return ended() && phase() == Phase::kServing; }, 90))
      return "a stream did not end, or it does not serve";
    if (!job_->complaint().empty()) return job_->complaint();
    for (const auto& client : clients_) {
      if (!client->wrong.empty()) return client->request.request_id + ": " + client->wrong;
      if (!client->failure.empty() && client->failure != "REQUEST_KILLS_RANKS")
        return client->request.request_id + " failed: " + client->failure;
    }
    const ClusterStatus status = coordinator_->status();
    if (status.running + status.waiting + status.blocks_used > 0) return "something is still held";
    return "";
  }

 private:
  int draw(int low, int high) { return std::uniform_int_distribution<>(low, high)(random_); }
  Phase phase() const { return coordinator_->status().phase; }

  bool run_until(const std::function<bool()>& done, int seconds) {
    const TimePoint end = time_.now() + std::chrono::seconds(seconds);
    while (time_.now() < end) {
      time_.after(Micros(20'000), [] {});
      const TimePoint tick = time_.now() + Micros(20'000);
      while (time_.now() < tick) {
        time_.step();
        coordinator_->turn();
        job_->supervise();
      }
      if (done()) return true;
    }
    return false;
  }

  void ask(int at_ms, bool poison) {
    GenerationRequest request;
    request.request_id = fmt::format("r{}", clients_.size());
    const int32_t kind = draw(1, 3);  // texts of a kind begin alike
    for (int i = draw(1, 110); i > 0; --i) request.prompt_ids.push_back(500 + kind);
    if (poison) request.prompt_ids.push_back(kPoison);
    request.max_tokens = draw(1, 60);
    request.sampling.seed = static_cast<uint64_t>(draw(0, 5));
    request.sampling.frequency_penalty = draw(0, 1) == 0 ? 0.0f : 0.5f;
    if (draw(0, 4) == 0 && request.prompt_ids.size() > 1) request.score = plan::Score::kChunk;
    request.num_choices = draw(0, 4) == 0 ? 3 : 1;
    request.stop.ignore_eos = true;
    const auto client = std::make_shared<Client>(request);
    clients_.push_back(client);
    time_.after(std::chrono::milliseconds(at_ms), [this, client] {
      if (const auto refusal = coordinator_->submit(client->request, client))
        client->failed(*refusal);
    });
    if (draw(0, 5) == 0)
      time_.after(std::chrono::milliseconds(at_ms + draw(0, 2'000)),
                  [this, id = request.request_id] { coordinator_->cancel(id); });
  }

  void fault() {
    const int rank = draw(0, coordinator_->config().plan.grid.world_size() - 1);
    const Micros time = std::chrono::milliseconds(draw(10, 4'000));
    switch (draw(0, 6)) {
      case 0:
      case 1:
        return job_->kill_rank(rank);
      case 2:
        return job_->kill_all();
      case 3:
        return job_->freeze(rank, time);
      case 4:
        return job_->cut(rank, time);
      case 5:
        job_->noise = 0.02;
        return time_.after(time, [this] { job_->noise = 0; });
      default:
        store_->full = true;
        return time_.after(time, [this] { store_->full = false; });
    }
  }

  std::mt19937_64 random_;
  VirtualTime time_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<VirtualJob> job_;
  std::vector<std::shared_ptr<Client>> clients_;
  bool has_poison_ = false;
};

uint64_t number(const char* name, uint64_t otherwise) {
  const auto value = env_value(name);
  return value ? std::stoull(*value) : otherwise;
}

TEST(Simulation, EveryStreamIsTheTextWithoutFaults) {
  log::set_level(log::Level::kError);
  const uint64_t only = number("SHOAL_SIM_SEED", 0);
  const uint64_t first = only > 0 ? only : 1;
  const uint64_t last = only > 0 ? only : number("SHOAL_SIM_SEEDS", 10'000);
  int bad = 0;
  for (uint64_t seed = first; seed <= last && bad < 5; ++seed) {
    const std::string wrong = Simulation(seed).run();
    if (wrong.empty()) continue;
    ++bad;
    ADD_FAILURE() << wrong << "; again: SHOAL_SIM_SEED=" << seed << " build/tests/simulation_test";
  }
}

}  // namespace
}  // namespace shoal::coordinator::simulation
