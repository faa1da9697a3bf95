// What is served.
#include <algorithm>
#include <map>

#include "runtime/coordinator/grpc_services.h"
#include "runtime/coordinator/request_limits.h"
#include "runtime/coordinator/status_map.h"

namespace shoal::coordinator {
namespace {

void add_sizes(const loader::TensorDirectory& directory, v1::GetModelResponse& response) {
  std::map<std::string, uint64_t> by_type;
  int64_t parameters = 0;
  for (const auto& tensor : directory.tensors()) {
    by_type[std::string(dtype_name(tensor.dtype))] += tensor.bytes;
    parameters += tensor.elements();
  }
  std::vector<std::pair<std::string, uint64_t>> types(by_type.begin(), by_type.end());
  std::stable_sort(
      types.begin(), types.end(), [](auto& a, auto& b) { return a.second > b.second; });
  for (const auto& [type, bytes] : types) {
    auto& entry = *response.add_types();
    entry.set_type(type);
    entry.set_bytes(bytes);
  }
  response.set_parameters(parameters);
  response.set_total_bytes(directory.total_bytes());
  response.set_num_files(static_cast<int32_t>(directory.shards().size()));
}

void add_vocabulary(const ServedModel& model, v1::GetModelResponse& response) {
  const auto& vocab = model.vocab;
  response.set_vocab_size(model.tokenizer->vocab_size());
  if (vocab.eos_id >= 0) response.set_eos_id(static_cast<uint32_t>(vocab.eos_id));
  if (vocab.bos_id) response.set_bos_id(static_cast<uint32_t>(*vocab.bos_id));
  if (vocab.padding_id) response.set_padding_id(static_cast<uint32_t>(*vocab.padding_id));
  for (int32_t id : model.stop_ids) response.add_stop_ids(static_cast<uint32_t>(id));
  response.set_has_chat_template(model.chat_template != nullptr);
  const auto sampling = default_sampling(vocab.sampling);
  auto& defaults = *response.mutable_default_sampling();
  defaults.set_temperature(sampling.temperature);
  defaults.set_top_p(sampling.top_p);
  defaults.set_top_k(sampling.top_k);
  defaults.set_min_p(sampling.min_p);
  defaults.set_from_model(vocab.sampling.temperature || vocab.sampling.top_k ||
                          vocab.sampling.top_p || vocab.sampling.min_p);
}

}  // namespace

grpc::ServerUnaryReactor* ModelServiceDoor::GetModel(grpc::CallbackServerContext* call,
                                                     const v1::GetModelRequest*,
                                                     v1::GetModelResponse* response) {
  const ServedModel& model = door_.model();
  response->set_name(model.name);
  response->set_architecture(model.config.architecture);
  response->set_max_context(door_.max_context());
  response->set_context_length(model.config.context_length);
  response->set_num_layers(model.config.num_layers);
  response->set_hidden_size(model.config.hidden_size);
  response->set_num_experts(model.config.num_experts);
  response->set_num_experts_per_token(model.config.num_topk);
  response->set_max_request_bytes(kMaxRequestBytes);
  add_vocabulary(model, *response);
  add_sizes(model.directory, *response);
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ModelServiceDoor::ListModels(grpc::CallbackServerContext* call,
                                                       const v1::ListModelsRequest*,
                                                       v1::ListModelsResponse* response) {
  auto& summary = *response->add_models();
  summary.set_name(door_.model().name);
  summary.set_architecture(door_.model().config.architecture);
  summary.set_max_context(door_.max_context());
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace shoal::coordinator
