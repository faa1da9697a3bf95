// What a client demands of its text, as the grammar that the ranks follow. For every door.
#pragma once
#include <optional>
#include <string>

#include "runtime/coordinator/generation_request.h"
#include "runtime/text/tokenizer.h"

namespace shoal::coordinator {

struct ConstraintSource {
  enum class Kind : uint8_t { kJsonSchema, kJsonObject, kRegex, kGrammar };
  Kind kind = Kind::kJsonSchema;
  std::string text;   // empty for kJsonObject
  std::string field;  // how the door calls it: "json_schema"
};

// Compiles the source, in at most 100 ms, and sets request.sampling.constraint; or says what is
// wrong with it: kInvalidArgument that names the construct. A prompt that leaves a <think> block
// open keeps its reasoning free: the constraint holds from </think> on. The request's prompt ids
// and stop rules must be set before.
std::optional<Failure> constrain(GenerationRequest& request,
                                 const ConstraintSource& source,
                                 const text::Tokenizer& tokenizer);

}  // namespace shoal::coordinator
