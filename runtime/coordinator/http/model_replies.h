// Replies that need no generation: health, models, tokenizer.
#pragma once
#include <string>

#include "runtime/coordinator/http/http_server.h"
#include "runtime/coordinator/request_door.h"

namespace shoal::http {

// 200, or 503 in llama-server's shape while no request would be answered.
HttpReply health_reply(const coordinator::ClusterStatus& status);

HttpReply models_reply(const coordinator::RequestDoor& door);
HttpReply model_reply(const coordinator::RequestDoor& door, const std::string& path);

// {"prompt"} (vLLM) or {"content"} (llama-server), or {"messages"}: {"count", "max_model_len",
// "tokens", "token_strs"}.
HttpReply tokenize_reply(const coordinator::RequestDoor& door, const std::string& body);
// {"tokens"}: {"prompt", "content"}, the same text under both names.
HttpReply detokenize_reply(const coordinator::RequestDoor& door, const std::string& body);
// What lm-eval's remote tokenizer reads: the special tokens and the chat template.
HttpReply tokenizer_info_reply(const coordinator::RequestDoor& door);

}  // namespace shoal::http
