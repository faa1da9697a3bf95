#include "runtime/engine/worker.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/device/device_facts.h"
#include "runtime/engine/file_agreement.h"
#include "runtime/engine/rank_engine.h"

namespace shoal::engine {
namespace {

// How long a rank waits for the others to say Hello, and between looks at its orders.
constexpr std::chrono::minutes kWelcomeTimeout{5};
// For the slowest rank to have looked at its files, and to have loaded its weights.
constexpr std::chrono::minutes kHeadersTimeout{2};
// For GPUs that all have their weights to meet.
constexpr std::chrono::minutes kConnectTimeout{2};
constexpr std::chrono::minutes kLoadTimeout{60};
constexpr std::chrono::seconds kIdleWait{1};
constexpr std::chrono::milliseconds kProgressEvery{100};

int default_threads(int ranks_on_host) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, cores / std::max(1, ranks_on_host));
}

// Empty when told to leave instead.
std::optional<control::Welcome> wait_for_welcome(control::PlanSource& source) {
  const Deadline deadline = Deadline::after(kWelcomeTimeout);
  while (!deadline.passed()) {
    auto message = source.next(deadline);
    if (!message) break;
    if (auto* welcome = std::get_if<control::Welcome>(&*message)) return std::move(*welcome);
    if (const auto* leave = std::get_if<control::Leave>(&*message)) {
      log::info("leaving: {}", printable(leave->reason, 200));
      return std::nullopt;
    }
  }
  throw Error(ExitCode::kStartup, "the coordinator sent no Welcome");
}

control::LoadProgress ready_report(const RankEngine& engine, plan::Epoch epoch, int rank) {
  control::LoadProgress report{.epoch = epoch, .rank = rank, .ready = true};
  const loader::ReadLedger& ledger = engine.ledger();
  report.bytes_done = report.bytes_total = ledger.total_bytes();
  report.kernels = engine.kernels_name();
  for (int i = 0; i <= static_cast<int>(loader::TensorClass::kOther); ++i) {
    const auto tensor_class = static_cast<loader::TensorClass>(i);
    if (const uint64_t bytes = ledger.bytes(tensor_class); bytes > 0)
      report.bytes_by_class.emplace_back(loader::tensor_class_name(tensor_class), bytes);
  }
  report.expert_bytes = ledger.bytes(loader::TensorClass::kRoutedExpert);
  return report;
}

// The planner said where this rank's tensors are computed with; today all in one place.
Backend backend_of(const sharding::ShardPlan& plan, int rank) {
  const auto& slices = plan.ranks[static_cast<size_t>(rank)].slices;
  return slices.empty() ? Backend::kCpu : slices.front().backend;
}

// Orders until Leave. One screen: take a plan, run it, report.
void step_loop(control::PlanSource& source, StepRunner& runner, int64_t step_timeout_ms) {
  for (;;) {
    const auto waits = std::chrono::steady_clock::now();
    const auto message = source.next(Deadline::after(kIdleWait));
    runner.add_idle(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - waits).count());
    if (!message) continue;
    if (const auto* leave = std::get_if<control::Leave>(&*message)) {
      log::info("leaving: {}", printable(leave->reason, 200));
      return;
    }
    const auto* plan = std::get_if<plan::StepPlan>(&*message);
    if (plan == nullptr) continue;
    runner.run(*plan,
               Deadline::after(std::chrono::milliseconds(step_timeout_ms)),
               [&source](plan::StepResult result) { source.report(std::move(result)); });
  }
}

}  // namespace

void run_worker(control::PlanSource& source,
                transport::HostComm& comm,
                const WorkerIdentity& identity) {
  source.report(control::Hello{.job_token = identity.job_token,
                               .epoch = identity.epoch,
                               .rank = comm.rank(),
                               .world_size = comm.size(),
                               .host = identity.host,
                               .pid = ::getpid(),
                               .build = identity.build});
  const auto welcome = wait_for_welcome(source);
  if (!welcome) return;

  const int threads =
      welcome->num_threads > 0 ? welcome->num_threads : default_threads(identity.ranks_on_host);
  agree_on_files(
      comm, find_files(welcome->model_path, identity.host), Deadline::after(kHeadersTimeout));
  auto last_report = std::chrono::steady_clock::now();
  const auto progress = [&](uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_report < kProgressEvery) return;
    last_report = now;
    source.report(control::LoadProgress{
        .epoch = welcome->epoch, .rank = comm.rank(), .bytes_done = done, .bytes_total = total});
  };
  const Backend backend = backend_of(welcome->plan, comm.rank());
  if (backend == Backend::kCuda) device::choose_gpu(host_place(comm.size()).local_rank);
  std::unique_ptr<RankEngine> engine;
  agree_after(comm, Deadline::after(kLoadTimeout), [&] {
    engine = std::make_unique<RankEngine>(
        *welcome, comm, RankSettings{.backend = backend, .num_threads = threads}, progress);
  });
  engine->connect(Deadline::after(kConnectTimeout));
  const control::LoadProgress ready = ready_report(*engine, welcome->epoch, comm.rank());
  for (const auto& [name, bytes] : ready.bytes_by_class)
    log::info("read {} of {}", human_bytes(bytes), name);
  source.report(ready);
  step_loop(source, engine->runner(), welcome->step_timeout_ms);
}

}  // namespace shoal::engine
