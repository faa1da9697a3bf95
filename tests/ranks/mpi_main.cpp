// main() of every test under mpirun: all ranks run the same tests in the same order. Failures are
// printed by the rank that saw them as "[rank r/size] ..."; rank 0 prints progress. Every rank
// leaves with 1 if any rank failed.
#include "tests/ranks/mpi_main.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "runtime/base/error.h"
#include "transport/mpi_comm.h"
#include "transport/mpi_environment.h"

namespace shoal::transport {
namespace {

std::unique_ptr<MpiComm> world;

class RankPrinter final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed() && !result.skipped()) return;
    fmt::print(stderr,
               "[rank {}/{}] {}:{}: {}\n{}\n",
               world->rank(),
               world->size(),
               result.file_name() != nullptr ? result.file_name() : "?",
               result.line_number(),
               result.failed() ? "failure" : "skipped",
               result.message());
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    const bool failed = test.result()->Failed();
    if (world->rank() != 0 && !failed) return;
    fmt::print("[rank {}/{}] {} {}.{} ({} ms)\n",
               world->rank(),
               world->size(),
               failed ? "FAILED" : "ok",
               test.test_suite_name(),
               test.name(),
               test.result()->elapsed_time());
    std::fflush(stdout);
  }
  void OnTestProgramEnd(const testing::UnitTest& tests) override {
    fmt::print("[rank {}/{}] {} tests, {} failed\n",
               world->rank(),
               world->size(),
               tests.test_to_run_count(),
               tests.failed_test_count());
    std::fflush(stdout);
  }
};

// Whether any rank failed, known to all.
bool any_failed(bool failed_here) {
  const std::array<std::byte, 1> mine{std::byte{failed_here}};
  std::vector<std::array<std::byte, 1>> theirs(static_cast<size_t>(world->size()));
  std::vector<Request> requests;
  for (int rank = 0; rank < world->size(); ++rank) {
    requests.push_back(world->irecv(rank, Tag::kControl, theirs[static_cast<size_t>(rank)]));
    requests.push_back(world->isend(rank, Tag::kControl, mine));
  }
  wait_all(requests, Deadline::after(std::chrono::seconds(30)));
  for (const auto& failed : theirs)
    if (failed[0] != std::byte{0}) return true;
  return false;
}

}  // namespace

HostComm& world_comm() { return *world; }

}  // namespace shoal::transport

int main(int argc, char** argv) {
  using namespace shoal::transport;
  MpiEnvironment environment(argc, argv);
  world = std::make_unique<MpiComm>();
  testing::InitGoogleMock(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankPrinter);
  bool failed = RUN_ALL_TESTS() != 0;
  try {
    failed = any_failed(failed);
  } catch (const shoal::Error& error) {
    fmt::print(stderr, "[rank {}/{}] {}\n", world->rank(), world->size(), error.what());
    std::fflush(nullptr);
    _exit(1);
  }
  world.reset();
  environment.leave_cleanly();
  return failed ? 1 : 0;
}
