#include "transport/mpi_check.h"

#include <fmt/format.h>
#include <mpi.h>

#include <array>
#include <string>

#include "runtime/base/error.h"

namespace shoal::transport {
namespace {

int own_rank() {
  int initialized = 0, finalized = 0, rank = -1;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (initialized != 0 && finalized == 0) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

std::string describe(int rc, const char* call) {
  std::array<char, MPI_MAX_ERROR_STRING + 1> text{};
  int length = 0;
  if (MPI_Error_string(rc, text.data(), &length) != MPI_SUCCESS) length = 0;
  return fmt::format("{} on rank {}: {}",
                     call,
                     own_rank(),
                     length > 0 ? std::string(text.data(), static_cast<size_t>(length))
                                : fmt::format("MPI error {}", rc));
}

}  // namespace

void mpi_check(int rc, const char* call, std::source_location place) {
  if (rc != MPI_SUCCESS) throw Error(ExitCode::kRankLost, describe(rc, call), place);
}

void mpi_check_peer(int rc, const char* call, int peer, std::source_location place) {
  if (rc == MPI_SUCCESS) return;
  int error_class = 0;
  MPI_Error_class(rc, &error_class);
  const std::string text = fmt::format("{} (peer rank {})", describe(rc, call), peer);
  if (error_class == MPI_ERR_TRUNCATE) throw Error(ExitCode::kUnexpected, text, place);
  throw PeerLost(peer, text, place);
}

}  // namespace shoal::transport
