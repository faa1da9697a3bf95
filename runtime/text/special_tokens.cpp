#include "runtime/text/special_tokens.h"

#include <ranges>

namespace shoal::text {
namespace {

std::vector<std::string> spelled_backwards(const std::vector<SpecialToken>& tokens) {
  std::vector<std::string> reversed;
  for (const SpecialToken& token : tokens)
    reversed.emplace_back(token.text.rbegin(), token.text.rend());
  return reversed;
}

}  // namespace

SpecialTokenFinder::SpecialTokenFinder(const std::vector<SpecialToken>& tokens)
    : reversed_(spelled_backwards(tokens)) {
  for (const SpecialToken& token : tokens) tokens_.push_back({token.id, token.text.size()});
}

std::vector<SpecialMatch> SpecialTokenFinder::find(std::string_view text) const {
  // Read backwards, the longest pattern that ends at a byte is the longest token that starts
  // there: no candidate is ever looked at twice.
  std::vector<SpecialMatch> candidates;
  PatternAutomaton::State state = PatternAutomaton::kStart;
  for (size_t pos = text.size(); pos-- > 0;) {
    state = reversed_.step(state, text[pos]);
    if (const auto match = reversed_.longest_match(state))
      candidates.push_back({pos, pos + tokens_[*match].num_bytes, tokens_[*match].id});
  }
  std::vector<SpecialMatch> matches;
  for (const SpecialMatch& candidate : candidates | std::views::reverse)
    if (matches.empty() || candidate.begin >= matches.back().end) matches.push_back(candidate);
  return matches;
}

}  // namespace shoal::text
