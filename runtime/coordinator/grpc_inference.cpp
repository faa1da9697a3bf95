#include <algorithm>

#include "runtime/coordinator/cluster_to_proto.h"
#include "runtime/coordinator/grpc_calls.h"
#include "runtime/coordinator/grpc_credentials.h"
#include "runtime/coordinator/grpc_services.h"
#include "runtime/coordinator/status_map.h"

namespace shoal::coordinator {
namespace {

CallFacts facts_of(const grpc::CallbackServerContext& call, const access::ApiKeys* keys) {
  CallFacts facts;
  facts.owner = owner_of(call, keys);
  const auto& metadata = call.client_metadata();
  if (const auto id = metadata.find("x-request-id"); id != metadata.end()) {
    facts.request_id.assign(id->second.data(), id->second.size());
  }
  // A client without a deadline reads as the end of time, which would overflow.
  constexpr auto kLongest = std::chrono::hours(24 * 365);
  const auto now = std::chrono::system_clock::now();
  if (call.deadline() < now + kLongest) {
    facts.deadline = Deadline::after(
        std::max<std::chrono::nanoseconds>(call.deadline() - now, std::chrono::nanoseconds(0)));
  }
  return facts;
}

}  // namespace

grpc::ServerUnaryReactor* InferenceServiceDoor::Generate(grpc::CallbackServerContext* call,
                                                         const v1::GenerateRequest* request,
                                                         v1::GenerateResponse* response) {
  return UnaryCall::start(door_, request->spec(), facts_of(*call, keys_.get()), response);
}

grpc::ServerWriteReactor<v1::StreamGenerateResponse>* InferenceServiceDoor::StreamGenerate(
    grpc::CallbackServerContext* call, const v1::StreamGenerateRequest* request) {
  return StreamCall::start(door_, request->spec(), facts_of(*call, keys_.get()));
}

grpc::ServerUnaryReactor* InferenceServiceDoor::CancelRequest(
    grpc::CallbackServerContext* call,
    const v1::CancelRequestRequest* request,
    v1::CancelRequestResponse*) {
  auto* reactor = call->DefaultReactor();
  // Somebody else's request does not exist for this caller.
  const auto owner = ledger_ ? ledger_->owner(request->request_id()) : std::nullopt;
  const bool theirs = owner && *owner != owner_of(*call, keys_.get());
  const bool found = !theirs && door_.cancel(request->request_id());
  reactor->Finish(found ? grpc::Status::OK : to_status(request_not_found(request->request_id())));
  return reactor;
}

grpc::ServerUnaryReactor* InferenceServiceDoor::ListRequests(grpc::CallbackServerContext* call,
                                                             const v1::ListRequestsRequest*,
                                                             v1::ListRequestsResponse* response) {
  const std::string owner = owner_of(*call, keys_.get());
  if (ledger_ != nullptr)
    for (const LiveRequest& request : ledger_->list())
      if (request.owner == owner) *response->add_requests() = to_proto(request);
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace shoal::coordinator
