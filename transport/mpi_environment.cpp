#include "transport/mpi_environment.h"

#include <fmt/format.h>
#include <mpi.h>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "transport/mpi_check.h"

namespace shoal::transport {
namespace {

int level_of(MpiEnvironment::Threads threads) {
  switch (threads) {
    case MpiEnvironment::Threads::kFunneled:
      return MPI_THREAD_FUNNELED;
    case MpiEnvironment::Threads::kSerialized:
      return MPI_THREAD_SERIALIZED;
    case MpiEnvironment::Threads::kMultiple:
      return MPI_THREAD_MULTIPLE;
  }
  return MPI_THREAD_MULTIPLE;
}

}  // namespace

MpiEnvironment::MpiEnvironment(int& argc, char**& argv, Threads required) {
  int provided = MPI_THREAD_SINGLE;
  mpi_check(MPI_Init_thread(&argc, &argv, level_of(required), &provided), "MPI_Init_thread");
  if (provided < level_of(required))
    throw Error(
        ExitCode::kStartup,
        fmt::format(
            "MPI_Init_thread gives thread level {}, {} is needed", provided, level_of(required)));
  mpi_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiEnvironment::~MpiEnvironment() {
  if (!clean_) return;
  if (const int rc = MPI_Finalize(); rc != MPI_SUCCESS) log::warn("MPI_Finalize returned {}", rc);
}

}  // namespace shoal::transport
