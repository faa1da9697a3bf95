#include "runtime/coordinator/output_constraint.h"

#include <algorithm>

#include "runtime/coordinator/request_limits.h"
#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/json_schema.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/regex.h"

namespace shoal::coordinator {
namespace {

using Kind = ConstraintSource::Kind;

std::variant<std::string, grammar::Refusal> gbnf_of(const ConstraintSource& source) {
  switch (source.kind) {
    case Kind::kJsonSchema:
      return grammar::gbnf_from_json_schema(source.text);
    case Kind::kJsonObject:
      return grammar::gbnf_of_json_object();
    case Kind::kRegex:
      return grammar::gbnf_from_regex(source.text);
    case Kind::kGrammar:
      break;
  }
  return source.text;
}

std::optional<int32_t> special_token(const text::Tokenizer& tokenizer, std::string_view name) {
  const auto ids = tokenizer.encode(name, text::SpecialTokens::kRecognize);
  return ids.size() == 1 ? std::optional(ids.front()) : std::nullopt;
}

// The token that ends the reasoning which the prompt leaves open; -1: there is none.
int32_t reasoning_end(const std::vector<int32_t>& prompt, const text::Tokenizer& tokenizer) {
  const auto open = special_token(tokenizer, "<think>");
  const auto close = special_token(tokenizer, "</think>");
  if (!open || !close) return -1;
  const auto last = std::find_if(
      prompt.rbegin(), prompt.rend(), [&](int32_t id) { return id == *open || id == *close; });
  return last != prompt.rend() && *last == *open ? *close : -1;
}

}  // namespace

std::optional<Failure> constrain(GenerationRequest& request,
                                 const ConstraintSource& source,
                                 const text::Tokenizer& tokenizer) {
  if (request.stop.ignore_eos)
    return invalid_argument({{source.field, "a constrained text ends; ignore_eos is refused"}});
  const auto budget = grammar::CpuBudget::of(grammar::kMaxCompileTime);
  const auto gbnf = gbnf_of(source);
  if (const auto* refusal = std::get_if<grammar::Refusal>(&gbnf))
    return invalid_argument({{source.field, refusal->message}});
  plan::OutputConstraint constraint;
  constraint.gbnf = std::get<std::string>(gbnf);
  constraint.starts_after = reasoning_end(request.prompt_ids, tokenizer);
  const auto compiled = grammar::compile(constraint.gbnf, grammar::Lead::kNone, budget);
  if (const auto* refusal = std::get_if<grammar::Refusal>(&compiled))
    return invalid_argument({{source.field, refusal->message}});
  request.sampling.constraint = std::move(constraint);
  return std::nullopt;
}

}  // namespace shoal::coordinator
