// The public services, as thin adapters between the protos and RequestDoor. The door must outlive
// them and every call.
#pragma once
#include "runtime/coordinator/access/api_keys.h"
#include "runtime/coordinator/request_door.h"
#include "runtime/coordinator/request_ledger.h"
#include "shoal/v1/cluster_service.grpc.pb.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "shoal/v1/model_service.grpc.pb.h"
#include "shoal/v1/tokenizer_service.grpc.pb.h"

namespace shoal::coordinator {

inline constexpr int kMaxRequestBytes = 16 << 20;

class InferenceServiceDoor final : public v1::InferenceService::CallbackService {
 public:
  // ledger: null where nobody keeps one; else it says whose a request is. keys: null: nobody's.
  InferenceServiceDoor(RequestDoor& door,
                       const RequestLedger* ledger,
                       std::shared_ptr<const access::ApiKeys> keys)
      : door_(door), ledger_(ledger), keys_(std::move(keys)) {}
  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* call,
                                     const v1::GenerateRequest* request,
                                     v1::GenerateResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamGenerateResponse>* StreamGenerate(
      grpc::CallbackServerContext* call, const v1::StreamGenerateRequest* request) override;
  grpc::ServerUnaryReactor* CancelRequest(grpc::CallbackServerContext* call,
                                          const v1::CancelRequestRequest* request,
                                          v1::CancelRequestResponse* response) override;
  grpc::ServerUnaryReactor* ListRequests(grpc::CallbackServerContext* call,
                                         const v1::ListRequestsRequest* request,
                                         v1::ListRequestsResponse* response) override;

 private:
  RequestDoor& door_;
  const RequestLedger* ledger_;
  std::shared_ptr<const access::ApiKeys> keys_;
};

class TokenizerServiceDoor final : public v1::TokenizerService::CallbackService {
 public:
  explicit TokenizerServiceDoor(RequestDoor& door) : door_(door) {}
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* call,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* call,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* RenderChat(grpc::CallbackServerContext* call,
                                       const v1::RenderChatRequest* request,
                                       v1::RenderChatResponse* response) override;

 private:
  RequestDoor& door_;
};

class ModelServiceDoor final : public v1::ModelService::CallbackService {
 public:
  explicit ModelServiceDoor(RequestDoor& door) : door_(door) {}
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* call,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* call,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;

 private:
  RequestDoor& door_;
};

class ClusterServiceDoor final : public v1::ClusterService::CallbackService {
 public:
  ClusterServiceDoor(RequestDoor& door, const RequestLedger* ledger)
      : door_(door), ledger_(ledger) {}
  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* call,
                                       const v1::GetClusterRequest* request,
                                       v1::GetClusterResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchClusterResponse>* WatchCluster(
      grpc::CallbackServerContext* call, const v1::WatchClusterRequest* request) override;
  grpc::ServerUnaryReactor* GetLoads(grpc::CallbackServerContext* call,
                                     const v1::GetLoadsRequest* request,
                                     v1::GetLoadsResponse* response) override;
  grpc::ServerUnaryReactor* GetPlacement(grpc::CallbackServerContext* call,
                                         const v1::GetPlacementRequest* request,
                                         v1::GetPlacementResponse* response) override;
  grpc::ServerUnaryReactor* GetExpertStats(grpc::CallbackServerContext* call,
                                           const v1::GetExpertStatsRequest* request,
                                           v1::GetExpertStatsResponse* response) override;

 private:
  RequestDoor& door_;
  const RequestLedger* ledger_;
};

}  // namespace shoal::coordinator
