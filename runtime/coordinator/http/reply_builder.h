// Turns a body's stream events into `choices`: piece by piece for a streamed reply, or all at the
// end for a whole one. The n choices of prompt i have the indices i * n + 0 to n - 1. One object a
// body; the connection's thread only.
#pragma once
#include <memory>
#include <vector>

#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/http/reply_json.h"
#include "runtime/text/answer/answer_markers.h"

namespace shoal::http {

class ReplyBuilder {
 public:
  virtual ~ReplyBuilder() = default;
  virtual const char* whole_object() const = 0;  // "chat.completion"
  virtual const char* chunk_object() const = 0;  // "chat.completion.chunk"
  virtual const char* id_prefix() const = 0;     // "chatcmpl-"

  // Choices of the chunks to send now; none while text is held back.
  virtual std::vector<Json> add(size_t prompt_idx, const coordinator::Delta& delta) = 0;
  virtual std::vector<Json> add_scores(size_t prompt_idx,
                                       const std::vector<plan::TokenScore>& scores) = 0;
  virtual std::vector<Json> finish(size_t prompt_idx, const coordinator::Finished& finished) = 0;

  // Choices of the whole reply, once every stream has finished.
  virtual Json choices() = 0;
  virtual int64_t reasoning_tokens() const { return 0; }
};

std::unique_ptr<ReplyBuilder> completion_reply(const ApiRequest& request,
                                               const text::Tokenizer& tokenizer);
// The markers must outlive it.
std::unique_ptr<ReplyBuilder> chat_reply(const ApiRequest& request,
                                         const text::Tokenizer& tokenizer,
                                         const answer::AnswerMarkers& markers);

// Why one of the choices ended: "stop", "length".
const char* reason_of(const coordinator::Finished& finished, size_t choice_idx);

std::vector<ShownToken> logprobs_of(const coordinator::Delta& delta);

}  // namespace shoal::http
