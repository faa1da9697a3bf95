// The shared cases over MPI, and what only MPI has.
#include "transport/mpi_comm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mpi.h>

#include <array>

#include "runtime/base/error.h"
#include "tests/ranks/cases.h"
#include "tests/ranks/mpi_main.h"
#include "transport/mpi_check.h"

namespace shoal::transport {
namespace {

class OverMpi : public testing::TestWithParam<RankCase> {};

TEST_P(OverMpi, Case) { GetParam().body(world_comm()); }

std::string case_name(const testing::TestParamInfo<RankCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Comm, OverMpi, testing::ValuesIn(comm_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Experts, OverMpi, testing::ValuesIn(expert_cases()), case_name);

TEST(MpiCheck, NamesCallRankTextAndTheCallersLine) {
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int line = __LINE__ + 2;
  try {
    mpi_check(MPI_ERR_COMM, "MPI_Made_up");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("MPI_Made_up on rank " + std::to_string(rank)));
    EXPECT_THAT(error.what(), testing::HasSubstr("MPI_ERR_COMM"));
    EXPECT_EQ(error.place().line(), static_cast<unsigned>(line));
    EXPECT_THAT(error.place().file_name(), testing::HasSubstr("mpi_comm_test.cpp"));
  }
  EXPECT_NO_THROW(mpi_check(MPI_SUCCESS, "MPI_Made_up"));
}

TEST(MpiCheck, APeersErrorNamesThePeer) {
  try {
    mpi_check_peer(MPI_ERR_OTHER, "MPI_Made_up", 3);
    FAIL() << "no error";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), 3);
    EXPECT_THAT(lost.what(), testing::HasSubstr("(peer rank 3)"));
  }
}

TEST(MpiComm, ARankOutsideTheWorldIsAnErrorNotAnAbort) {
  const std::array<std::byte, 1> byte{};
  EXPECT_THROW((void)world_comm().isend(world_comm().size(), Tag::kControl, byte), Error);
}

TEST(MpiComm, CountsWhatItAbandons) {
  MpiComm comm;
  static std::array<std::byte, 1> never;  // MPI keeps the buffer of an abandoned receive
  { const Request request = comm.irecv(comm.rank(), Tag::kToken, never); }
  EXPECT_EQ(comm.num_abandoned(), 1);
}

}  // namespace
}  // namespace shoal::transport
