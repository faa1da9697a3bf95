// The cases of tests/ranks over threads of this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "runtime/base/error.h"
#include "tests/ranks/cases.h"
#include "transport/loopback_comm.h"

namespace shoal::transport {
namespace {

void run_on_threads(int size, void (*body)(HostComm&)) {
  auto world = make_loopback_world(size);
  std::vector<std::thread> threads;
  for (auto& comm : world)
    threads.emplace_back([&comm, body] {
      try {
        body(*comm);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << comm->rank() << ": " << error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
}

class OverThreads : public testing::TestWithParam<std::tuple<RankCase, int>> {};

TEST_P(OverThreads, Case) {
  const auto& [rank_case, size] = GetParam();
  run_on_threads(size, rank_case.body);
}

std::string case_name(const testing::TestParamInfo<std::tuple<RankCase, int>>& info) {
  return std::string(std::get<0>(info.param).name) + "On" + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Comm,
                         OverThreads,
                         testing::Combine(testing::ValuesIn(comm_cases()),
                                          testing::Values(1, 2, 3, 4)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Experts,
                         OverThreads,
                         testing::Combine(testing::ValuesIn(expert_cases()),
                                          testing::Values(1, 2, 3, 4)),
                         case_name);

TEST(LoopbackComm, ARankThatLeftIsLostAtOnce) {
  auto world = make_loopback_world(2);
  std::array<std::byte, 4> buffer{}, last{};
  Request early = world[0]->irecv(1, Tag::kControl, last);
  Request never = world[0]->irecv(1, Tag::kControl, buffer);
  (void)world[1]->isend(0, Tag::kControl, buffer);
  world[1].reset();
  EXPECT_TRUE(early.test()) << "what was sent before leaving still arrives";
  try {
    wait_all({&never, 1}, patient());
    ADD_FAILURE() << "no error";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), 1);
  }
}

}  // namespace
}  // namespace shoal::transport
