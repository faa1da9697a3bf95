// Failures and exceptions as gRPC statuses with google.rpc details. The only place that knows both.
#pragma once
#include <grpcpp/support/status.h>

#include <exception>

#include "runtime/coordinator/generation_request.h"

namespace shoal::coordinator {

inline constexpr const char* kErrorDomain = "shoal";

// Details are cut so that they fit into a client's default metadata limit of 8 KiB.
grpc::Status to_status(const Failure& failure);

// A handler that threw: INTERNAL to the client, the text to the log.
grpc::Status to_status(const std::exception& error);

// How a stream that was cut short ends: kCancelled, kTimeLimit. OK for the other reasons.
grpc::Status to_status(FinishReason reason);

Failure request_not_found(const std::string& request_id);

}  // namespace shoal::coordinator
