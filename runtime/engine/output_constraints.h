// Grammars as the rank that samples follows them: which tokens may come next in a sequence. One for
// a rank; the step loop's thread. What is allowed depends on the grammar, the vocabulary and the
// generated tokens alone, so it is the same on any grid and after any pause.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>

#include "loader/format/metadata.h"
#include "runtime/plan/sampling_params.h"
#include "runtime/text/grammar/token_masks.h"

namespace shoal::engine {

// One sequence's place in its grammar.
class ConstraintFollower {
 public:
  ConstraintFollower(std::shared_ptr<grammar::TokenMasks> masks, int32_t starts_after);

  void take(int32_t token);  // each generated token, in order
  // Bit id % 32 of word id / 32; empty: any. Valid until another sequence of the grammar is asked.
  std::span<const uint32_t> allowed();

 private:
  std::shared_ptr<grammar::TokenMasks> masks_;
  grammar::Cursor cursor_;
  int32_t starts_after_;  // < 0: has started
};

class OutputConstraints {
 public:
  // The metadata holds the vocabulary, which is read with the first grammar; must outlive this.
  explicit OutputConstraints(const loader::Metadata& metadata) : metadata_(metadata) {}

  // Throws Error for a grammar that does not compile; the coordinator has refused those before.
  std::unique_ptr<ConstraintFollower> follow(const plan::OutputConstraint& constraint);

 private:
  struct Known {
    std::string gbnf;
    bool started;  // not after another token
    std::shared_ptr<grammar::TokenMasks> masks;
  };

  const loader::Metadata& metadata_;
  std::unique_ptr<grammar::TokenTrie> trie_;
  std::list<Known> known_;  // the latest first; masks stay warm from one request to the next
};

}  // namespace shoal::engine
