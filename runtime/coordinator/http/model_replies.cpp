#include "runtime/coordinator/http/model_replies.h"

#include <algorithm>
#include <numeric>

#include "runtime/coordinator/chat_prompt.h"
#include "runtime/coordinator/http/api_error.h"
#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/http/reply_json.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

using coordinator::ClusterStatus;
using coordinator::Failure;
using coordinator::Phase;
using coordinator::RequestDoor;

HttpReply reply_with(const Json& json) {
  HttpReply reply;
  reply.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return reply;
}

const char* why_unavailable(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "Loading model";
    case Phase::kRecovering:
      return "A rank was lost and is being replaced";
    case Phase::kDraining:
      return "The server is shutting down";
    default:
      return "The server has stopped";
  }
}

double load_progress(const ClusterStatus& status) {
  double done = 0, total = 0;
  for (const auto& rank : status.ranks) {
    done += static_cast<double>(rank.bytes_loaded);
    total += static_cast<double>(rank.bytes_total);
  }
  return total > 0 ? done / total : 0;
}

Json model_json(const RequestDoor& door) {
  const coordinator::ServedModel& model = door.model();
  int64_t parameters = 0;
  for (const auto& tensor : model.directory.tensors()) parameters += tensor.elements();
  return {{"id", model.name},
          {"object", "model"},
          {"created", 0},  // files do not say
          {"owned_by", "shoal"},
          {"max_model_len", door.max_context()},
          {"meta",
           {{"n_ctx_train", model.config.context_length},
            {"n_params", parameters},
            {"size", model.directory.total_bytes()},
            {"n_vocab", model.tokenizer->vocab_size()},
            {"n_embd", model.config.hidden_size}}}};
}

Json spelled(const text::Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  Json texts = Json::array();
  for (const int32_t id : ids) texts.push_back(token_text(tokenizer, id));
  return texts;
}

}  // namespace

HttpReply health_reply(const ClusterStatus& status) {
  if (status.phase == Phase::kServing) return reply_with({{"status", "ok"}});
  Json error = {
      {"code", 503}, {"message", why_unavailable(status.phase)}, {"type", "unavailable_error"}};
  if (status.phase == Phase::kStarting) error["progress"] = load_progress(status);
  HttpReply reply = reply_with({{"error", std::move(error)}});
  reply.status = 503;
  return reply;
}

HttpReply models_reply(const RequestDoor& door) {
  return reply_with({{"object", "list"}, {"data", Json::array({model_json(door)})}});
}

// Any name is accepted while one model is served, in requests; here a name is asked about.
HttpReply model_reply(const RequestDoor& door, const std::string& path) {
  constexpr std::string_view kModels = "/v1/models/";
  if (path.substr(kModels.size()) == door.model().name) return reply_with(model_json(door));
  return error_reply(404, "no model of this name is served", "model_not_found");
}

HttpReply tokenize_reply(const RequestDoor& door, const std::string& body) {
  const auto parsed = parse_body(body);
  if (const auto* failure = std::get_if<Failure>(&parsed)) return error_reply(*failure);
  JsonFields fields(std::get<Json>(parsed));
  std::vector<int32_t> ids;
  const coordinator::ServedModel& model = door.model();
  // No token is ever added in front, so add_special_tokens changes nothing.
  const bool special = fields.boolean("parse_special").value_or(true);
  const bool with_text = fields.boolean("return_token_strs").value_or(false) ||
                         fields.boolean("with_pieces").value_or(false);
  auto text = fields.text("prompt");
  if (!text) text = fields.text("content");
  if (!text && fields.find("messages") != nullptr) {
    const Json variables = chat_variables(fields);
    if (const auto failure = fields.failure()) return error_reply(*failure);
    auto prompt = coordinator::render_prompt(model, variables);
    if (const auto* failure = std::get_if<Failure>(&prompt)) return error_reply(*failure);
    ids = std::move(std::get<coordinator::RenderedPrompt>(prompt).ids);
  } else if (text) {
    ids = model.tokenizer->encode(
        *text, special ? text::SpecialTokens::kRecognize : text::SpecialTokens::kPlainText);
  } else {
    fields.violate("prompt", "is needed (or content, or messages)");
  }
  if (const auto failure = fields.failure()) return error_reply(*failure);
  return reply_with({{"count", ids.size()},
                     {"max_model_len", door.max_context()},
                     {"tokens", ids},
                     {"token_strs", with_text ? spelled(*model.tokenizer, ids) : Json(nullptr)}});
}

HttpReply detokenize_reply(const RequestDoor& door, const std::string& body) {
  const auto parsed = parse_body(body);
  if (const auto* failure = std::get_if<Failure>(&parsed)) return error_reply(*failure);
  JsonFields fields(std::get<Json>(parsed));
  const text::Tokenizer& tokenizer = *door.model().tokenizer;
  const auto ids = fields.ids("tokens");
  if (!ids) fields.violate("tokens", "a list of token ids is needed");
  const bool skip = fields.boolean("skip_special_tokens").value_or(false);
  for (size_t i = 0; ids && i < ids->size(); ++i) {
    if ((*ids)[i] >= 0 && (*ids)[i] < tokenizer.vocab_size()) continue;
    fields.violate("tokens[" + std::to_string(i) + "]",
                   "is outside 0.." + std::to_string(tokenizer.vocab_size() - 1));
    break;
  }
  if (const auto failure = fields.failure()) return error_reply(*failure);
  const std::string text = tokenizer.decode(*ids, {.skip_special_tokens = skip});
  return reply_with({{"prompt", text}, {"content", text}});
}

HttpReply tokenizer_info_reply(const RequestDoor& door) {
  const coordinator::ServedModel& model = door.model();
  const auto& vocab = model.vocab;
  const auto piece = [&](int32_t id) {
    return id < 0 ? Json(nullptr) : Json(std::string(model.tokenizer->piece(id)));
  };
  return reply_with(
      {{"tokenizer_class", "GGUF " + vocab.model + " " + vocab.pre},
       {"model_max_length", door.max_context()},
       {"vocab_size", model.tokenizer->vocab_size()},
       {"eos_token", piece(vocab.eos_id)},
       {"bos_token", vocab.bos_id ? piece(*vocab.bos_id) : Json(nullptr)},
       {"pad_token", vocab.padding_id ? piece(*vocab.padding_id) : piece(vocab.eos_id)},
       {"add_bos_token", false},
       {"chat_template", vocab.chat_template.empty() ? Json(nullptr) : Json(vocab.chat_template)}});
}

}  // namespace shoal::http
