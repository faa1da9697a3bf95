#include "runtime/coordinator/http/reply_builder.h"

namespace shoal::http {
namespace {

class CompletionReply final : public ReplyBuilder {
 public:
  CompletionReply(const ApiRequest& request, const text::Tokenizer& tokenizer)
      : logprobs_wanted_(request.logprobs),
        tokenizer_(tokenizer),
        per_prompt_(static_cast<size_t>(request.prompts.front().num_choices)),
        choices_(request.prompts.size() * per_prompt_) {
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (!request.echo) continue;
      const auto& ids = request.prompts[i / per_prompt_].prompt_ids;
      choices_[i].echo = tokenizer.decode(ids, {.skip_special_tokens = false});
      if (!logprobs_wanted_) continue;
      for (const int32_t id : ids) choices_[i].prompt.push_back({id, std::nullopt, {}});
    }
  }

  const char* whole_object() const override { return "text_completion"; }
  const char* chunk_object() const override { return "text_completion"; }
  const char* id_prefix() const override { return "cmpl-"; }

  std::vector<Json> add(size_t prompt_idx, const coordinator::Delta& delta) override {
    const size_t idx = prompt_idx * per_prompt_ + static_cast<size_t>(delta.index);
    if (idx >= choices_.size()) return {};
    Choice& choice = choices_[idx];
    std::vector<ShownToken> tokens = take_prompt(choice);
    if (logprobs_wanted_) {
      const auto generated = logprobs_of(delta);
      tokens.insert(tokens.end(), generated.begin(), generated.end());
    }
    const std::string text = std::exchange(choice.echo, {}) + delta.text;
    return add_piece(idx, text, tokens);
  }

  std::vector<Json> add_scores(size_t prompt_idx,
                               const std::vector<plan::TokenScore>& scores) override {
    for (size_t i = 0; i < per_prompt_; ++i) {
      auto& prompt = choices_[prompt_idx * per_prompt_ + i].prompt;
      for (const plan::TokenScore& score : scores) {
        if (score.position <= 0 || score.position >= std::ssize(prompt)) continue;
        prompt[static_cast<size_t>(score.position)] = from_score(score);
      }
    }
    return {};
  }

  std::vector<Json> finish(size_t prompt_idx, const coordinator::Finished& finished) override {
    std::vector<Json> chunks;
    for (size_t i = 0; i < per_prompt_; ++i) {
      const size_t idx = prompt_idx * per_prompt_ + i;
      Choice& choice = choices_[idx];
      choice.finish_reason = reason_of(finished, i);
      // Nothing was generated, so nothing was echoed yet.
      if (!choice.echo.empty() || !choice.prompt.empty())
        for (Json& piece : add_piece(idx, std::exchange(choice.echo, {}), take_prompt(choice)))
          chunks.push_back(std::move(piece));
      chunks.push_back({{"index", idx},
                        {"text", ""},
                        {"logprobs", nullptr},
                        {"finish_reason", choice.finish_reason}});
    }
    return chunks;
  }

  Json choices() override {
    Json list = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) {
      int64_t offset = 0;
      list.push_back(
          {{"index", i},
           {"text", choices_[i].text},
           {"logprobs",
            logprobs_wanted_ ? completion_logprobs(tokenizer_, choices_[i].tokens, offset)
                             : Json(nullptr)},
           {"finish_reason", choices_[i].finish_reason}});
    }
    return list;
  }

 private:
  struct Choice {
    std::string echo;                // not sent yet
    std::vector<ShownToken> prompt;  // likewise
    std::string text, finish_reason;
    std::vector<ShownToken> tokens;
    bool started = false;
    int64_t offset = 0;
  };

  static std::vector<ShownToken> take_prompt(Choice& choice) {
    return std::exchange(choice.prompt, {});
  }
  static ShownToken from_score(const plan::TokenScore& score) {
    return {score.token, score.logprob, score.top};
  }

  std::vector<Json> add_piece(size_t idx,
                              const std::string& text,
                              const std::vector<ShownToken>& tokens) {
    Choice& choice = choices_[idx];
    choice.text += text;
    choice.tokens.insert(choice.tokens.end(), tokens.begin(), tokens.end());
    if (text.empty() && tokens.empty() && choice.started) return {};
    choice.started = true;
    return {{{"index", idx},
             {"text", text},
             {"logprobs",
              logprobs_wanted_ ? completion_logprobs(tokenizer_, tokens, choice.offset)
                               : Json(nullptr)},
             {"finish_reason", nullptr}}};
  }

  const bool logprobs_wanted_;
  const text::Tokenizer& tokenizer_;
  const size_t per_prompt_;
  std::vector<Choice> choices_;
};

}  // namespace

const char* reason_of(const coordinator::Finished& finished, size_t choice_idx) {
  return coordinator::finish_reason_name(
      choice_idx < finished.choices.size() ? finished.choices[choice_idx].reason : finished.reason);
}

std::vector<ShownToken> logprobs_of(const coordinator::Delta& delta) {
  std::vector<ShownToken> tokens;
  for (size_t i = 0; i < std::min(delta.token_ids.size(), delta.logprobs.size()); ++i)
    tokens.push_back({delta.token_ids[i],
                      delta.logprobs[i],
                      i < delta.top.size() ? delta.top[i] : std::vector<plan::TokenLogprob>{}});
  return tokens;
}

std::unique_ptr<ReplyBuilder> completion_reply(const ApiRequest& request,
                                               const text::Tokenizer& tokenizer) {
  return std::make_unique<CompletionReply>(request, tokenizer);
}

}  // namespace shoal::http
