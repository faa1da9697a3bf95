// A failed call as the exception that the command line reports.
#pragma once
#include <grpcpp/support/status.h>

#include "runtime/base/error.h"

namespace shoal::client {

// "INVALID_ARGUMENT: sampling.temperature: -1 is outside 0..100". Exit code 6, or 7 when the
// details say that a rank was lost.
Error to_error(const grpc::Status& status);

}  // namespace shoal::client
