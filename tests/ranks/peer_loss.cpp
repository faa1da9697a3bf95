// usage (under mpirun --enable-recovery): peer_loss exit|stop
// All ranks run MoE layers; in the middle of one, between dispatch and combine, rank 1 leaves
// without a word or freezes. Every survivor must get PeerLost naming rank 1 within twice the
// deadline, and then prints "survivor R ok". Rank 0 ends a frozen rank 1, whose process id it was
// told, so that mpirun can end.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <numeric>

#include "runtime/base/error.h"
#include "tests/ranks/made_up_experts.h"
#include "transport/mpi_comm.h"
#include "transport/mpi_environment.h"

namespace shoal::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kVictim = 1;
constexpr int kLastLayer = 50;
constexpr milliseconds kTimeout{1000};

class Layers {
 public:
  explicit Layers(HostComm& comm) : comm_(comm) {
    std::vector<int> group(static_cast<size_t>(comm.size()));
    std::iota(group.begin(), group.end(), 0);
    const auto placement = sharding::ExpertPlacement::contiguous(moe_.num_experts, comm.size());
    exchange_ = make_expert_all_to_all(comm, group, placement, {moe_.hidden, moe_.num_topk, 4});
  }

  void run(void (*before_combine)()) {
    RoutedTokens routed(moe_, {2 * comm_.rank(), 2 * comm_.rank() + 1});
    Exec exec{.pool = &pool_, .deadline = Deadline::after(kTimeout)};
    DispatchHandle handle = exchange_->start_dispatch(routed.routing(4), exec);
    const ExpertRows rows = exchange_->finish_dispatch(handle, exec);
    if (before_combine != nullptr) before_combine();
    std::vector<float> outputs(static_cast<size_t>(rows.rows.rows * moe_.hidden));
    std::vector<float> residual(static_cast<size_t>(2 * moe_.hidden));
    exchange_->combine(std::move(handle),
                       view_f32(outputs.data(), rows.rows.rows, moe_.hidden),
                       view_f32(residual.data(), 2, moe_.hidden),
                       exec);
  }

 private:
  HostComm& comm_;
  MadeUpExperts moe_{.num_topk = 16};  // every token to every expert: all ranks wait for all
  ThreadPool pool_{1};
  std::unique_ptr<ExpertAllToAll> exchange_;
};

pid_t tell_victims_pid(HostComm& comm) {
  pid_t pid = getpid();
  Request request;
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&pid, 1));
  if (comm.rank() == kVictim) request = comm.isend(0, Tag::kControl, bytes);
  if (comm.rank() == 0) request = comm.irecv(kVictim, Tag::kControl, bytes);
  wait_all({&request, 1}, Deadline::after(std::chrono::seconds(30)));
  return pid;
}

// True when the loss of the victim came as it should.
bool survive(Layers& layers, int rank) {
  const auto start = steady_clock::now();
  try {
    layers.run(nullptr);
    fmt::print("survivor {}: no error\n", rank);
  } catch (const PeerLost& lost) {
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
    if (lost.rank() == kVictim && took < 2 * kTimeout) {
      fmt::print("survivor {} ok: \"{}\" after {} ms\n", rank, lost.what(), took.count());
      return true;
    }
    fmt::print("survivor {}: \"{}\" after {} ms\n", rank, lost.what(), took.count());
  }
  return false;
}

int run(int argc, char** argv) {
  MpiEnvironment environment(argc, argv);
  const bool stop = argc > 1 && std::strcmp(argv[1], "stop") == 0;
  MpiComm comm;
  const pid_t victim = tell_victims_pid(comm);
  Layers layers(comm);
  for (int layer = 0; layer < kLastLayer; ++layer) layers.run(nullptr);

  if (comm.rank() == kVictim) {
    layers.run(stop ? [] { raise(SIGSTOP); } : [] { _exit(0); });
    return 1;
  }
  const bool ok = survive(layers, comm.rank());
  std::fflush(stdout);
  if (stop && comm.rank() == 0) {
    usleep(2'000'000);  // the other survivors still need it frozen
    kill(victim, SIGKILL);
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace shoal::transport

int main(int argc, char** argv) {
  int code = 1;
  try {
    code = shoal::transport::run(argc, argv);
  } catch (const shoal::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  std::fflush(nullptr);
  _exit(code);
}
