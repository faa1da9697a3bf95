// The client's values as protos and back.
#pragma once
#include "runtime/coordinator/client/generate_client.h"
#include "shoal/v1/cluster_service.pb.h"
#include "shoal/v1/inference_service.pb.h"
#include "shoal/v1/model_service.pb.h"

namespace shoal::client {

v1::GenerationSpec to_spec(const GenerateOptions& options);
v1::Chat to_chat(const ChatPrompt& chat);

coordinator::Accepted from_proto(const std::string& request_id, const v1::Accepted& message);
coordinator::Delta from_proto(const v1::Delta& message);
PromptPart from_proto(const v1::Prompt& message);
coordinator::Finished from_proto(const v1::Finished& message);
coordinator::ClusterStatus from_proto(const v1::GetClusterResponse& message);
ModelFacts from_proto(const v1::GetModelResponse& message);

}  // namespace shoal::client
