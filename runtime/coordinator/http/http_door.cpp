#include "runtime/coordinator/http/http_door.h"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/http/api_error.h"
#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/http/generation_reply.h"
#include "runtime/coordinator/http/http_server.h"
#include "runtime/coordinator/http/metrics_text.h"
#include "runtime/coordinator/http/model_replies.h"
#include "runtime/text/answer/answer_markers.h"

namespace shoal::http {
namespace {

using coordinator::Failure;

constexpr size_t kMaxWarnings = 100;  // clients could make up names without end

// Says of each unknown field once that it is not used.
class UnknownFields {
 public:
  void warn(const std::vector<std::string>& names) {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : names) {
      if (warned_.size() >= kMaxWarnings || !warned_.insert(printable(name)).second) continue;
      log::warn("a request's field '{}' is not known and was passed over (said once)",
                printable(name));
    }
  }

 private:
  std::mutex mutex_;
  std::set<std::string> warned_;
};

}  // namespace

struct HttpDoor::Server {
  Server(HttpDoorOptions door_options,
         coordinator::RequestDoor& request_door,
         const coordinator::RequestMetrics& request_metrics)
      : options(std::move(door_options)),
        door(request_door),
        metrics(request_metrics),
        markers(*door.model().tokenizer) {}

  HttpServerOptions server_options() {
    HttpServerOptions server;
    server.host = options.host;
    server.port = options.port;
    server.max_connections = options.max_connections;
    server.tls = options.tls;
    server.refuse = [](int status, const std::string& message, const std::string& code) {
      return error_reply(status, message, code);
    };
    if (options.keys)
      server.admit = [this](const HttpRequest& request) { return check_key(request); };
    server.routes = {
        {"GET", "/health", [this](auto&) { return health_reply(door.status()); }, false, true},
        {"GET", "/metrics", [this](auto&) { return metrics_reply(); }, true, true},
        {"GET", "/v1/models", [this](auto&) { return models_reply(door); }},
        {"GET", "/v1/models/", [this](auto& request) { return model_reply(door, request.path); }},
        {"GET", "/tokenizer_info", [this](auto&) { return tokenizer_info_reply(door); }},
        {"POST", "/tokenize", [this](auto& request) { return tokenize_reply(door, request.body); }},
        {"POST",
         "/detokenize",
         [this](auto& request) { return detokenize_reply(door, request.body); }},
        {"POST", "/v1/completions", [this](auto& request) { return completions(request); }},
        {"POST", "/v1/chat/completions", [this](auto& request) { return chat(request); }}};
    return server;
  }

  // Empty where no key is asked for, or an unknown one came.
  std::string owner_of(const HttpRequest& request) const {
    constexpr std::string_view kBearer = "Bearer ";
    std::string_view key = request.authorization;
    if (key.starts_with(kBearer)) key.remove_prefix(kBearer.size());
    return options.keys ? options.keys->owner(key).value_or("") : "";
  }

  std::optional<HttpReply> check_key(const HttpRequest& request) const {
    if (!owner_of(request).empty()) return std::nullopt;
    return request.authorization.empty()
               ? error_reply(401, "an API key is needed: Authorization: Bearer KEY", "no_api_key")
               : error_reply(401, "the API key is not known", "invalid_api_key");
  }

  HttpReply metrics_reply() const {
    HttpReply reply;
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = metrics_text(
        {door.status(), metrics.totals(), door.model().name, options.build, options.vllm_metrics});
    return reply;
  }

  HttpReply completions(const HttpRequest& request) {
    return generate(request, completion_request, [this](const ApiRequest& api) {
      return completion_reply(api, *door.model().tokenizer);
    });
  }

  HttpReply chat(const HttpRequest& request) {
    return generate(request, chat_request, [this](const ApiRequest& api) {
      return chat_reply(api, *door.model().tokenizer, markers);
    });
  }

  template <class Parse, class Build>
  HttpReply generate(const HttpRequest& request, Parse parse, Build build) {
    const auto body = parse_body(request.body);
    if (const auto* failure = std::get_if<Failure>(&body)) return error_reply(*failure);
    auto parsed = parse(std::get<Json>(body), request.request_id, door.model());
    if (const auto* failure = std::get_if<Failure>(&parsed)) return error_reply(*failure);
    auto& api = std::get<ApiRequest>(parsed);
    unknown_fields.warn(api.unknown_fields);
    for (auto& prompt : api.prompts) prompt.owner = owner_of(request);
    auto builder = build(api);
    return reply_with_generation(door, std::move(api), std::move(builder), *request.peer);
  }

  const HttpDoorOptions options;
  coordinator::RequestDoor& door;
  const coordinator::RequestMetrics& metrics;
  const answer::AnswerMarkers markers;
  UnknownFields unknown_fields;
  std::unique_ptr<HttpServer> http;
};

HttpDoor::HttpDoor(HttpDoorOptions options,
                   coordinator::RequestDoor& door,
                   const coordinator::RequestMetrics& metrics)
    : server_(std::make_unique<Server>(std::move(options), door, metrics)) {
  server_->http = std::make_unique<HttpServer>(server_->server_options());
}

HttpDoor::~HttpDoor() { stop(); }

int HttpDoor::port() const { return server_->http->port(); }

void HttpDoor::stop() { server_->http->stop(); }

}  // namespace shoal::http
