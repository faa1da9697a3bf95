#include "runtime/coordinator/status_map.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"

namespace shoal::coordinator {
namespace {

constexpr size_t kMaxViolations = 16;
constexpr size_t kMaxChars = 160;
constexpr size_t kMaxMessageChars = 512;
constexpr size_t kMaxMetadata = 8;

grpc::StatusCode to_code(FailureCode code) {
  switch (code) {
    case FailureCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case FailureCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case FailureCode::kAlreadyExists:
      return grpc::StatusCode::ALREADY_EXISTS;
    case FailureCode::kResourceExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case FailureCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case FailureCode::kUnimplemented:
      return grpc::StatusCode::UNIMPLEMENTED;
    case FailureCode::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case FailureCode::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case FailureCode::kDataLoss:
      return grpc::StatusCode::DATA_LOSS;
    case FailureCode::kInternal:
      break;
  }
  return grpc::StatusCode::INTERNAL;
}

google::rpc::ErrorInfo error_info(const Failure& failure) {
  google::rpc::ErrorInfo info;
  info.set_reason(failure.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : failure.metadata) {
    if (static_cast<size_t>(info.metadata_size()) == kMaxMetadata) break;
    (*info.mutable_metadata())[printable(key)] = printable(value, kMaxChars);
  }
  return info;
}

google::rpc::BadRequest bad_request(const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest bad;
  for (size_t i = 0; i < std::min(violations.size(), kMaxViolations); ++i) {
    auto& violation = *bad.add_field_violations();
    violation.set_field(printable(violations[i].field, kMaxChars));
    violation.set_description(printable(violations[i].description, kMaxMessageChars));
  }
  return bad;
}

}  // namespace

grpc::Status to_status(const Failure& failure) {
  const auto code = to_code(failure.code);
  const std::string message = printable(failure.message, kMaxMessageChars);
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  if (!failure.reason.empty()) details.add_details()->PackFrom(error_info(failure));
  if (!failure.violations.empty()) {
    details.add_details()->PackFrom(bad_request(failure.violations));
  }
  if (failure.retry_after.count() > 0) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(failure.retry_after.count());
    details.add_details()->PackFrom(retry);
  }
  if (failure.code == FailureCode::kNotFound) {
    const auto named = failure.metadata.find("request_id");
    google::rpc::ResourceInfo resource;
    resource.set_resource_type(named == failure.metadata.end() ? "model" : "request");
    if (named != failure.metadata.end()) {
      resource.set_resource_name(printable(named->second, kMaxChars));
    }
    details.add_details()->PackFrom(resource);
  }
  return grpc::Status(code, message, details.SerializeAsString());
}

grpc::Status to_status(const std::exception& error) {
  log::error("a request failed: {}", printable(error.what(), kMaxMessageChars));
  Failure failure;
  failure.message = "the server failed on this request";
  failure.reason = "INTERNAL";
  return to_status(failure);
}

grpc::Status to_status(FinishReason reason) {
  Failure failure;
  switch (reason) {
    case FinishReason::kCancelled:
      failure.code = FailureCode::kCancelled;
      failure.message = "the request was cancelled";
      break;
    case FinishReason::kTimeLimit:
      failure.code = FailureCode::kDeadlineExceeded;
      failure.message = "the deadline passed";
      break;
    default:
      return grpc::Status::OK;
  }
  return to_status(failure);
}

Failure request_not_found(const std::string& request_id) {
  Failure failure;
  failure.code = FailureCode::kNotFound;
  failure.reason = "REQUEST_NOT_FOUND";
  failure.message = "no such request runs or waits";
  failure.metadata = {{"request_id", request_id}};
  return failure;
}

}  // namespace shoal::coordinator
