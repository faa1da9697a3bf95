#include "runtime/engine/output_constraints.h"

#include <fmt/format.h>

#include <algorithm>

#include "loader/format/vocab.h"
#include "runtime/base/error.h"
#include "runtime/text/grammar/grammar.h"

namespace shoal::engine {
namespace {

constexpr size_t kMaxKnown = 16;  // grammars whose masks are kept

}  // namespace

ConstraintFollower::ConstraintFollower(std::shared_ptr<grammar::TokenMasks> masks,
                                       int32_t starts_after)
    : masks_(std::move(masks)), cursor_(masks_->begin()), starts_after_(starts_after) {}

void ConstraintFollower::take(int32_t token) {
  if (starts_after_ < 0)
    masks_->take(cursor_, token);
  else if (token == starts_after_)
    starts_after_ = -1;
}

std::span<const uint32_t> ConstraintFollower::allowed() {
  if (starts_after_ >= 0) return {};
  return masks_->mask(cursor_);
}

std::unique_ptr<ConstraintFollower> OutputConstraints::follow(
    const plan::OutputConstraint& constraint) {
  const bool started = constraint.starts_after < 0;
  auto known = std::ranges::find_if(known_, [&](const Known& one) {
    return one.started == started && one.gbnf == constraint.gbnf;
  });
  if (known == known_.end()) {
    if (trie_ == nullptr)
      trie_ = std::make_unique<grammar::TokenTrie>(loader::parse_vocab(metadata_));
    const auto lead = started ? grammar::Lead::kNone : grammar::Lead::kLineEnds;
    const grammar::Compiled compiled =
        grammar::compile(constraint.gbnf, lead, grammar::CpuBudget::unlimited());
    if (const auto* refusal = std::get_if<grammar::Refusal>(&compiled))
      throw Error(ExitCode::kUnexpected,
                  fmt::format("a grammar from the coordinator: {}", refusal->message));
    const auto& automaton = std::get<std::shared_ptr<const grammar::Automaton>>(compiled);
    known_.push_front(
        {constraint.gbnf, started, std::make_shared<grammar::TokenMasks>(automaton, *trie_)});
    if (known_.size() > kMaxKnown) known_.pop_back();
    known = known_.begin();
  }
  known_.splice(known_.begin(), known_, known);
  return std::make_unique<ConstraintFollower>(known_.front().masks, constraint.starts_after);
}

}  // namespace shoal::engine
