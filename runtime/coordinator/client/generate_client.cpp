#include "runtime/coordinator/client/generate_client.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/coordinator/client/server_channel.h"
#include "runtime/coordinator/client/status_text.h"
#include "runtime/coordinator/client/to_request.h"
#include "runtime/text/utf8.h"
#include "shoal/v1/cluster_service.grpc.pb.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "shoal/v1/model_service.grpc.pb.h"
#include "shoal/v1/tokenizer_service.grpc.pb.h"

namespace shoal::client {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr auto kShortCall = std::chrono::seconds(30);

// Cancels a call once the flag is set, until it goes out of scope.
class CancelWatch {
 public:
  CancelWatch(grpc::ClientContext& call, const std::atomic<bool>* flag) {
    if (flag == nullptr) return;
    thread_ = std::thread([this, &call, flag] {
      std::unique_lock lock(mutex_);
      while (!changed_.wait_for(lock, kPollInterval, [this] { return done_; })) {
        if (flag->load()) {
          call.TryCancel();
          return;
        }
      }
    });
  }
  ~CancelWatch() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

void check(const grpc::Status& status) {
  if (!status.ok()) throw to_error(status);
}

}  // namespace

struct GenerateClient::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : inference(v1::InferenceService::NewStub(channel)),
        tokenizer(v1::TokenizerService::NewStub(channel)),
        model(v1::ModelService::NewStub(channel)),
        cluster(v1::ClusterService::NewStub(channel)) {}

  std::unique_ptr<v1::InferenceService::Stub> inference;
  std::unique_ptr<v1::TokenizerService::Stub> tokenizer;
  std::unique_ptr<v1::ModelService::Stub> model;
  std::unique_ptr<v1::ClusterService::Stub> cluster;

  // One short unary call.
  template <class Response, class Stub, class Method, class Request>
  static Response ask(Stub& stub, Method method, const Request& request) {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + kShortCall);
    Response response;
    check((stub.*method)(&call, request, &response));
    return response;
  }
};

GenerateClient::GenerateClient(const std::string& address,
                               const ClientAccess& access,
                               Deadline deadline)
    : stubs_(std::make_unique<Stubs>(open_channel(address, access, deadline))) {}

GenerateClient::~GenerateClient() = default;

void GenerateClient::stream_generate(const GenerateOptions& options,
                                     const StreamEvents& events,
                                     const std::atomic<bool>* interrupted) {
  v1::StreamGenerateRequest request;
  *request.mutable_spec() = to_spec(options);
  grpc::ClientContext call;
  if (options.timeout) call.set_deadline(std::chrono::system_clock::now() + *options.timeout);
  const auto stream = stubs_->inference->StreamGenerate(&call, request);
  {
    CancelWatch watch(call, interrupted);
    v1::StreamGenerateResponse message;
    while (stream->Read(&message)) {
      if (message.has_accepted() && events.accepted) {
        events.accepted(from_proto(message.request_id(), message.accepted()));
      } else if (message.has_prompt() && events.prompt) {
        events.prompt(from_proto(message.prompt()));
      } else if (message.has_delta() && events.delta) {
        events.delta(from_proto(message.delta()));
      } else if (message.has_finished() && events.finished) {
        events.finished(from_proto(message.finished()));
      }
    }
  }
  const grpc::Status status = stream->Finish();
  if (interrupted != nullptr && interrupted->load() && !status.ok()) {
    throw Error(ExitCode::kRequest, "cancelled");
  }
  check(status);
}

bool GenerateClient::cancel(const std::string& request_id) {
  v1::CancelRequestRequest request;
  request.set_request_id(request_id);
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + kShortCall);
  v1::CancelRequestResponse response;
  const auto status = stubs_->inference->CancelRequest(&call, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return false;
  check(status);
  return true;
}

coordinator::ClusterStatus GenerateClient::get_cluster() {
  return from_proto(Stubs::ask<v1::GetClusterResponse>(
      *stubs_->cluster, &v1::ClusterService::Stub::GetCluster, v1::GetClusterRequest()));
}

ModelFacts GenerateClient::get_model() {
  return from_proto(Stubs::ask<v1::GetModelResponse>(
      *stubs_->model, &v1::ModelService::Stub::GetModel, v1::GetModelRequest()));
}

std::vector<int32_t> GenerateClient::tokenize(const std::string& text, bool parse_special_tokens) {
  v1::TokenizeRequest request;
  request.set_text(text::sanitize_utf8(text));
  request.set_parse_special_tokens(parse_special_tokens);
  const auto response = Stubs::ask<v1::TokenizeResponse>(
      *stubs_->tokenizer, &v1::TokenizerService::Stub::Tokenize, request);
  return {response.token_ids().begin(), response.token_ids().end()};
}

std::string GenerateClient::detokenize(const std::vector<int32_t>& ids, bool skip_special_tokens) {
  v1::DetokenizeRequest request;
  for (int32_t id : ids) request.add_token_ids(static_cast<uint32_t>(id));
  request.set_skip_special_tokens(skip_special_tokens);
  return Stubs::ask<v1::DetokenizeResponse>(
             *stubs_->tokenizer, &v1::TokenizerService::Stub::Detokenize, request)
      .text();
}

RenderedChat GenerateClient::render_chat(const ChatPrompt& chat) {
  v1::RenderChatRequest request;
  *request.mutable_chat() = to_chat(chat);
  const auto response = Stubs::ask<v1::RenderChatResponse>(
      *stubs_->tokenizer, &v1::TokenizerService::Stub::RenderChat, request);
  return {response.text(), {response.token_ids().begin(), response.token_ids().end()}};
}

}  // namespace shoal::client
