#include "runtime/coordinator/http/api_error.h"

#include <algorithm>
#include <cctype>

#include "runtime/base/printable.h"

namespace shoal::http {
namespace {

using coordinator::Failure;
using coordinator::FailureCode;
using Json = nlohmann::ordered_json;

constexpr size_t kMaxMessageChars = 512;

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return text;
}

Json error_json(int status,
                const std::string& message,
                const Json& param,
                const std::string& code) {
  return {{"error",
           {{"message", printable(message, kMaxMessageChars)},
            {"type", type_of(status)},
            {"param", param},
            {"code", code.empty() ? Json(nullptr) : Json(code)}}}};
}

HttpReply reply_with(int status, const Json& body) {
  HttpReply reply;
  reply.status = status;
  reply.body = body.dump();
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace

int http_status(FailureCode code) {
  switch (code) {
    case FailureCode::kInvalidArgument:
    case FailureCode::kUnimplemented:  // a 501 would be tried again by clients
      return 400;
    case FailureCode::kNotFound:
      return 404;
    case FailureCode::kAlreadyExists:
      return 409;
    case FailureCode::kResourceExhausted:
      return 429;
    case FailureCode::kUnavailable:
      return 503;
    case FailureCode::kDeadlineExceeded:
      return 504;
    case FailureCode::kCancelled:
      return 499;
    case FailureCode::kInternal:
    case FailureCode::kDataLoss:
      break;
  }
  return 500;
}

std::string json_field(const std::string& path) {
  if (path.starts_with("stop.strings")) return "stop" + path.substr(12);
  if (path.starts_with("stop.token_ids")) return "stop_token_ids" + path.substr(14);
  for (const std::string prefix : {"sampling.", "stop.", "output."})
    if (path.starts_with(prefix)) return path.substr(prefix.size());
  return path;
}

Json error_json(const Failure& failure) {
  Json param = nullptr;
  std::string message = failure.message;
  if (!failure.violations.empty()) {
    const auto& first = failure.violations.front();
    const std::string field = json_field(first.field);
    param = printable(field);
    if (message == first.field + ": " + first.description)
      message = field + ": " + first.description;
  } else if (const auto field = failure.metadata.find("field"); field != failure.metadata.end()) {
    param = printable(json_field(field->second));
  }
  return error_json(http_status(failure.code), message, param, lower(failure.reason));
}

HttpReply error_reply(const Failure& failure) {
  HttpReply reply = reply_with(http_status(failure.code), error_json(failure));
  if (failure.retry_after.count() > 0) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(failure.retry_after);
    reply.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
  }
  return reply;
}

HttpReply error_reply(int status, const std::string& message, const std::string& code) {
  return reply_with(status, error_json(status, message, nullptr, code));
}

}  // namespace shoal::http
