// Grammars, schemas and regular expressions from anywhere, then texts followed through them. What
// a schema or a regular expression is turned into must compile, or be refused for its size; every
// mask must leave something to choose, and what it leaves must be alive.
// Input: the kind (first byte), the source up to a zero byte, then choices.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/json_schema.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/token_masks.h"

namespace {

using namespace shoal;
using namespace shoal::grammar;

const TokenTrie& trie() {
  static const TokenTrie kTrie = [] {
    std::vector<std::string> pieces = {"<end>"};
    for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
    for (const char* piece : {"aa",
                              "aaa",
                              "ab",
                              "{\"",
                              "\":",
                              "\",",
                              " \"",
                              "[[",
                              "]]",
                              "}}",
                              "true",
                              "null",
                              "\xE2\x82",
                              "\xAC\xC3",
                              "\\\"",
                              "\\u00",
                              "0.0",
                              "-1"})
      pieces.emplace_back(piece);
    return TokenTrie(pieces, {0});
  }();
  return kTrie;
}

void follow(const std::shared_ptr<const Automaton>& automaton, std::string_view choices) {
  TokenMasks masks(automaton, trie());
  Cursor cursor = masks.begin();
  for (const char choice : choices.substr(0, 48)) {
    const auto mask = masks.mask(cursor);
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < trie().vocab_size(); ++id)
      if ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0) allowed.push_back(id);
    SHOAL_ASSERT(!allowed.empty(), "{} bytes of choices", choices.size());
    masks.take(cursor, allowed[static_cast<uint8_t>(choice) % allowed.size()]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view source = input.substr(0, input.find('\0'));
  const std::string_view choices = input.substr(std::min(input.size(), source.size() + 1));

  std::variant<std::string, Refusal> gbnf = std::string(source);
  if (data[0] % 3 == 1) gbnf = gbnf_from_json_schema(source);
  if (data[0] % 3 == 2) gbnf = gbnf_from_regex(source);
  if (std::holds_alternative<Refusal>(gbnf)) return 0;
  const Compiled compiled =
      compile(std::get<std::string>(gbnf), Lead::kNone, CpuBudget::of(kMaxCompileTime));
  if (const auto* refusal = std::get_if<Refusal>(&compiled)) {
    // What we wrote ourselves is well-formed; a schema may still refer to itself in vain.
    const bool ours = data[0] % 3 != 0;
    const bool expected = refusal->message.find("states") != std::string::npos ||
                          refusal->message.find("ms to compile") != std::string::npos ||
                          refusal->message.find("bytes, at most") != std::string::npos ||
                          refusal->message.find("leads back to itself") != std::string::npos ||
                          refusal->message.find("never ends") != std::string::npos ||
                          refusal->message.find("nested deeper") != std::string::npos;
    SHOAL_ASSERT(!ours || expected, "{}", refusal->message);
    return 0;
  }
  follow(std::get<std::shared_ptr<const Automaton>>(compiled), choices);
  return 0;
}
