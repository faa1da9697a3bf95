// The public services, as thin adapters between the protos and RequestDoor. The door must outlive
// them and every call.
#pragma once
#include "runtime/coordinator/request_door.h"
#include "shoal/v1/cluster_service.grpc.pb.h"
#include "shoal/v1/inference_service.grpc.pb.h"
#include "shoal/v1/model_service.grpc.pb.h"
#include "shoal/v1/tokenizer_service.grpc.pb.h"

namespace shoal::coordinator {

inline constexpr int kMaxRequestBytes = 16 << 20;

class InferenceServiceDoor final : public v1::InferenceService::CallbackService {
 public:
  explicit InferenceServiceDoor(RequestDoor& door) : door_(door) {}
  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* call,
                                     const v1::GenerateRequest* request,
                                     v1::GenerateResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamGenerateResponse>* StreamGenerate(
      grpc::CallbackServerContext* call, const v1::StreamGenerateRequest* request) override;
  grpc::ServerUnaryReactor* CancelRequest(grpc::CallbackServerContext* call,
                                          const v1::CancelRequestRequest* request,
                                          v1::CancelRequestResponse* response) override;

 private:
  RequestDoor& door_;
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

 private:
  RequestDoor& door_;
};

class ClusterServiceDoor final : public v1::ClusterService::CallbackService {
 public:
  explicit ClusterServiceDoor(RequestDoor& door) : door_(door) {}
  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* call,
                                       const v1::GetClusterRequest* request,
                                       v1::GetClusterResponse* response) override;

 private:
  RequestDoor& door_;
};

}  // namespace shoal::coordinator
