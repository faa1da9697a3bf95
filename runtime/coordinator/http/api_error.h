// Failures in the shape that OpenAI's clients read: {"error": {"message", "type", "param",
// "code"}}. The HTTP side of status_map.h.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/http/http_server.h"

namespace shoal::http {

int http_status(coordinator::FailureCode code);

// Field paths of the checks ("sampling.temperature") as the JSON field is called ("temperature").
std::string json_field(const std::string& path);

nlohmann::ordered_json error_json(const coordinator::Failure& failure);
HttpReply error_reply(const coordinator::Failure& failure);

// What has no Failure: unknown paths, bodies that cannot be read.
HttpReply error_reply(int status, const std::string& message, const std::string& code);

}  // namespace shoal::http
