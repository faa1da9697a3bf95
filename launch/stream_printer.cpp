#include "launch/stream_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

template <class T>
void append(const std::vector<T>& part, std::vector<T>& all) {
  all.insert(all.end(), part.begin(), part.end());
}

// One entry a token; `top` is empty where none was asked for.
nlohmann::ordered_json logprob_list(std::span<const int32_t> ids,
                                    const std::vector<float>& logprobs,
                                    const std::vector<std::vector<plan::TokenLogprob>>& top) {
  auto list = nlohmann::ordered_json::array();
  for (size_t i = 0; i < std::min(ids.size(), logprobs.size()); ++i) {
    auto& entry = list.emplace_back();
    entry["token_id"] = ids[i];
    entry["logprob"] = logprobs[i];
    if (i >= top.size()) continue;
    entry["top"] = nlohmann::ordered_json::array();
    for (const auto& [token, logprob] : top[i])
      entry["top"].push_back({{"token_id", token}, {"logprob", logprob}});
  }
  return list;
}

}  // namespace

client::StreamEvents StreamPrinter::events() {
  return {.accepted = [this](const coordinator::Accepted& accepted) { accepted_ = accepted; },
          .prompt =
              [this](const client::PromptPart& part) {
                print(part.text);
                prompt_.text += part.text;
                append(part.logprobs, prompt_.logprobs);
                append(part.top, prompt_.top);
              },
          .delta =
              [this](const coordinator::Delta& delta) {
                Choice& choice = choices_.at(static_cast<size_t>(delta.index));
                choice.text += delta.text;
                append(delta.token_ids, choice.ids);
                append(delta.logprobs, choice.logprobs);
                append(delta.top, choice.top);
                if (choices_.size() == 1) print(delta.text);
              },
          .finished = [this](const coordinator::Finished& finished) { finished_ = finished; }};
}

void StreamPrinter::print(const std::string& text) {
  if (out_ == nullptr) return;
  if (std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fflush(out_) != 0)
    throw Error(ExitCode::kUnexpected, "cannot write the text: nobody reads it");
}

void StreamPrinter::end() {
  if (choices_.size() > 1 && !prompt_.text.empty() && !prompt_.text.ends_with('\n')) print("\n");
  for (size_t i = 0; i < choices_.size(); ++i) {
    const std::string& text = choices_[i].text;
    if (choices_.size() > 1)
      print(fmt::format("== choice {} of {} ({})\n{}",
                        i + 1,
                        choices_.size(),
                        finish_reason_name(finished_.choices.at(i).reason),
                        text));
    if (!text.ends_with('\n')) print("\n");
  }
}

std::string StreamPrinter::statistics() const {
  const coordinator::Timings& timings = finished_.timings;
  const int64_t cached = finished_.usage.cached_tokens;
  return fmt::format(
      "{} prompt tokens{} ({:.1f} tokens/s), {} tokens ({:.1f} tokens/s), first after {:.0f} ms, "
      "ended by {}",
      grouped(static_cast<uint64_t>(finished_.usage.prompt_tokens)),
      cached > 0 ? fmt::format(", {} cached", grouped(static_cast<uint64_t>(cached))) : "",
      timings.prefill_tps,
      grouped(static_cast<uint64_t>(finished_.usage.completion_tokens)),
      timings.decode_tps,
      milliseconds(timings.first_token),
      finish_reason_name(finished_.reason));
}

nlohmann::ordered_json StreamPrinter::logprobs_json(size_t choice) const {
  const Choice& of = choices_.at(choice);
  return logprob_list(of.ids, of.logprobs, of.top);
}

nlohmann::ordered_json StreamPrinter::choices_json() const {
  auto list = nlohmann::ordered_json::array();
  for (size_t i = 0; i < choices_.size(); ++i) {
    const coordinator::ChoiceEnd& end = finished_.choices.at(i);
    list.push_back({{"index", i},
                    {"text", choices_[i].text},
                    {"token_ids", choices_[i].ids},
                    {"finish_reason", finish_reason_name(end.reason)},
                    {"matched_stop", end.matched_stop},
                    {"seed", end.seed},
                    {"completion_tokens", end.completion_tokens},
                    {"cached_tokens", end.cached_tokens}});
  }
  return list;
}

nlohmann::ordered_json StreamPrinter::prompt_logprobs_json(
    const std::vector<int32_t>& prompt_ids) const {
  // The first token follows nothing.
  auto list = logprob_list(std::span(prompt_ids).subspan(1), prompt_.logprobs, prompt_.top);
  list.insert(list.begin(), nullptr);
  return list;
}

nlohmann::ordered_json StreamPrinter::to_json(const std::vector<int32_t>& prompt_ids) const {
  const coordinator::Usage& usage = finished_.usage;
  const coordinator::Timings& timings = finished_.timings;
  nlohmann::ordered_json out = {
      {"text", choices_.front().text},
      {"token_ids", choices_.front().ids},
      {"prompt_token_ids", prompt_ids},
      {"finish_reason", finish_reason_name(finished_.reason)},
      {"matched_stop", finished_.matched_stop},
      {"request_id", accepted_.request_id},
      {"seed", accepted_.seed},
      {"usage",
       {{"prompt_tokens", usage.prompt_tokens},
        {"cached_tokens", usage.cached_tokens},
        {"completion_tokens", usage.completion_tokens},
        {"total_tokens", usage.prompt_tokens + usage.completion_tokens}}},
      {"cache", {{"shared_tokens", finished_.cache.shared_tokens}, {"end", finished_.cache.end}}},
      {"timings",
       {{"queue_ms", milliseconds(timings.queue)},
        {"prefill_ms", milliseconds(timings.prefill)},
        {"first_token_ms", milliseconds(timings.first_token)},
        {"decode_ms", milliseconds(timings.decode)},
        {"total_ms", milliseconds(timings.total)},
        {"prefill_tps", timings.prefill_tps},
        {"decode_tps", timings.decode_tps}}}};
  if (choices_.size() > 1) out["choices"] = choices_json();
  return out;
}

client::GenerateOptions to_request(const SamplingOptions& sampling) {
  client::GenerateOptions options;
  options.sampling = {.temperature = sampling.temperature,
                      .top_p = sampling.top_p,
                      .min_p = sampling.min_p,
                      .top_k = sampling.top_k,
                      .seed = sampling.seed,
                      .presence_penalty = sampling.presence_penalty,
                      .frequency_penalty = sampling.frequency_penalty,
                      .repetition_penalty = sampling.repetition_penalty,
                      .logit_bias = sampling.logit_bias()};
  options.stop.strings = sampling.stop;
  options.stop.ignore_eos = sampling.ignore_eos;
  options.stop.min_tokens = sampling.min_tokens.value_or(0);
  options.max_tokens = sampling.max_tokens.value_or(0);
  options.constraint = sampling.constraint();
  return options;
}

}  // namespace shoal::launch
