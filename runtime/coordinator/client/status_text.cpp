#include "runtime/coordinator/client/status_text.h"

#include <fmt/format.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace shoal::client {
namespace {

constexpr size_t kMaxChars = 512;
constexpr const char* kCodeNames[] = {"OK",
                                      "CANCELLED",
                                      "UNKNOWN",
                                      "INVALID_ARGUMENT",
                                      "DEADLINE_EXCEEDED",
                                      "NOT_FOUND",
                                      "ALREADY_EXISTS",
                                      "PERMISSION_DENIED",
                                      "RESOURCE_EXHAUSTED",
                                      "FAILED_PRECONDITION",
                                      "ABORTED",
                                      "OUT_OF_RANGE",
                                      "UNIMPLEMENTED",
                                      "INTERNAL",
                                      "UNAVAILABLE",
                                      "DATA_LOSS",
                                      "UNAUTHENTICATED"};

const char* code_name(grpc::StatusCode code) {
  const auto idx = static_cast<size_t>(code);
  return idx < std::size(kCodeNames) ? kCodeNames[idx] : "UNKNOWN";
}

// The server has escaped its text already; this only keeps a strange server off the terminal.
std::string one_line(const std::string& text) {
  std::string line = text.substr(0, kMaxChars);
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  return line;
}

}  // namespace

Error to_error(const grpc::Status& status) {
  std::string text =
      fmt::format("{}: {}", code_name(status.error_code()), one_line(status.error_message()));
  auto code = ExitCode::kRequest;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return Error(code, text);
  for (const auto& detail : details.details()) {
    google::rpc::BadRequest bad;
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&bad)) {
      // The message is the first violation already.
      for (int i = 1; i < bad.field_violations_size(); ++i) {
        text += fmt::format("; {}: {}",
                            one_line(bad.field_violations(i).field()),
                            one_line(bad.field_violations(i).description()));
      }
    } else if (detail.UnpackTo(&info)) {
      if (info.reason() == "CLUSTER_FAILED") code = ExitCode::kRankLost;
    } else if (detail.UnpackTo(&retry)) {
      text += fmt::format("; retry in {:.1f} s",
                          static_cast<double>(retry.retry_delay().seconds()) +
                              static_cast<double>(retry.retry_delay().nanos()) * 1e-9);
    }
  }
  return Error(code, text);
}

}  // namespace shoal::client
