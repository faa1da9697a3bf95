#include "runtime/coordinator/grpc_services.h"
#include "runtime/coordinator/request_from_proto.h"
#include "runtime/coordinator/request_limits.h"
#include "runtime/coordinator/status_map.h"

namespace shoal::coordinator {
namespace {

// Handlers do their work at once and answer on gRPC's thread.
template <class Work>
grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* call, Work&& work) {
  auto* reactor = call->DefaultReactor();
  try {
    reactor->Finish(work());
  } catch (const std::exception& error) {
    reactor->Finish(to_status(error));
  }
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* TokenizerServiceDoor::Tokenize(grpc::CallbackServerContext* call,
                                                         const v1::TokenizeRequest* request,
                                                         v1::TokenizeResponse* response) {
  return answer(call, [&] {
    const bool special = !request->has_parse_special_tokens() || request->parse_special_tokens();
    const auto ids = door_.model().tokenizer->encode(
        request->text(),
        special ? text::SpecialTokens::kRecognize : text::SpecialTokens::kPlainText);
    response->mutable_token_ids()->Assign(ids.begin(), ids.end());
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* TokenizerServiceDoor::Detokenize(grpc::CallbackServerContext* call,
                                                           const v1::DetokenizeRequest* request,
                                                           v1::DetokenizeResponse* response) {
  return answer(call, [&] {
    const auto& tokenizer = *door_.model().tokenizer;
    const auto& ids = request->token_ids();
    std::vector<FieldViolation> violations;
    if (!check_ids("token_ids",
                   {ids.data(), static_cast<size_t>(ids.size())},
                   tokenizer.vocab_size(),
                   violations)) {
      return to_status(invalid_argument(std::move(violations)));
    }
    const std::vector<int32_t> signed_ids(ids.begin(), ids.end());
    const bool skip = !request->has_skip_special_tokens() || request->skip_special_tokens();
    response->set_text(tokenizer.decode(signed_ids, {.skip_special_tokens = skip}));
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* TokenizerServiceDoor::RenderChat(grpc::CallbackServerContext* call,
                                                           const v1::RenderChatRequest* request,
                                                           v1::RenderChatResponse* response) {
  return answer(call, [&] {
    auto variables = variables_from_proto(request->chat(), "chat");
    if (auto* failure = std::get_if<Failure>(&variables)) return to_status(*failure);
    auto prompt = render_prompt(door_.model(), std::get<nlohmann::ordered_json>(variables));
    if (auto* failure = std::get_if<Failure>(&prompt)) return to_status(*failure);
    const auto& rendered = std::get<RenderedPrompt>(prompt);
    response->set_text(rendered.text);
    response->mutable_token_ids()->Assign(rendered.ids.begin(), rendered.ids.end());
    return grpc::Status::OK;
  });
}

}  // namespace shoal::coordinator
