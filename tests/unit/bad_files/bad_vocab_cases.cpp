#include "tests/unit/bad_files/bad_case.h"

namespace shoal::loader::testing {
namespace {

const std::string kPrefix = "tokenizer.ggml.";

std::function<void(Shards&)> merges(std::vector<std::string> lines) {
  return [=](Shards& s) { s[0].put(kPrefix + "merges", 9, texts(lines)); };
}

// The set's tokens start with count 8, then 8 + text each; ids from `from` on become `values`.
std::function<void(Shards&)> tokens_from(size_t from, std::vector<std::string> values) {
  return [=](Shards& s) {
    for (auto& [key, typed] : s[0].entries) {
      if (key != kPrefix + "tokens") continue;
      std::string& bytes = typed.second;
      size_t place = 12;  // element type, count
      for (size_t i = 0; i < from; ++i) {
        uint64_t length = 0;
        std::memcpy(&length, bytes.data() + place, sizeof length);
        place += 8 + length;
      }
      for (const std::string& value : values) {
        uint64_t length = 0;
        std::memcpy(&length, bytes.data() + place, sizeof length);
        bytes.replace(place, 8 + length, text(value));
        place += 8 + value.size();
      }
    }
  };
}

std::function<void(Shards&)> chat_template(std::string source) {
  return [=](Shards& s) { s[0].string("tokenizer.chat_template", source); };
}

std::string deep_parentheses() {
  return "{{ " + std::string(10'000, '(') + "1" + std::string(10'000, ')') + " }}";
}

}  // namespace

std::vector<BadCase> bad_vocab_cases() {
  return {
      {41,
       "more tokens than rows",
       [](Shards& s) {
         s[1].tensor("token_embd.weight").ne = {8, 250};
       },
       "GGUF-41 1: vocabulary has 260 tokens but token_embd has 250 rows"},
      {42,
       "token types as u8",
       [](Shards& s) {
         s[0].put(kPrefix + "token_type", 9, array_of(0, 260, std::string(260, '\1')));
       },
       "GGUF-42 1: array 'tokenizer.ggml.token_type' must be i32, found u8"},
      {46,
       "byte without a token",
       tokens_from(65, {"A1"}),
       "GGUF-49 1: tokenizer has no token for the byte 0x41"},
      {42,
       "scores as i8",
       [](Shards& s) { s[0].put(kPrefix + "scores", 9, array_of(1, 260, std::string(260, '\1'))); },
       "GGUF-42 1: array 'tokenizer.ggml.scores' must be f32, found i8"},
      {43,
       "too few token types",
       [](Shards& s) {
         s[0].put(kPrefix + "token_type", 9, array_of(5, 100, std::string(400, '\1')));
       },
       "GGUF-43 1: 'token_type' has 100 entries for 260 tokens"},
      {44, "merge without a space", merges({"a b", "ab"}), "GGUF-44 1: merge 1 'ab' has no space"},
      {44,
       "merge of an unknown piece",
       merges({"a q"}),
       "GGUF-44 1: merge 0 'a q' names 'aq', which is no token"},
      {45,
       "token of 1 MiB",
       tokens_from(5, {std::string(1 << 20, 'x')}),
       "GGUF-45 1: token 5 is 1048576 bytes; 65535 allowed"},
      {46, "token twice", tokens_from(258, {"<think>"}), "GGUF-46 1: token 258 repeats token 257"},
      {47,
       "byte token <0x-1>",
       [](Shards& s) {
         tokens_from(256, {"<0x-1>"})(s);
         std::string types;
         for (int i = 0; i < 260; ++i) types += raw(i < 256 ? 1 : 6);
         s[0].put(kPrefix + "token_type", 9, array_of(5, 260, types));
       },
       "GGUF-47 1: token 256 '<0x-1>' is not a byte token"},
      {48,
       "eos beyond the vocabulary",
       [](Shards& s) { s[0].u32(kPrefix + "eos_token_id", 999999); },
       "GGUF-48 1: eos id 999999 is outside the vocabulary of 260"},
      {48,
       "bos 2^32-1",
       [](Shards& s) { s[0].u32(kPrefix + "bos_token_id", UINT32_MAX); },
       "GGUF-48 1: bos id 4294967295 is outside the vocabulary of 260"},
      {48,
       "eos negative",
       [](Shards& s) { s[0].i32(kPrefix + "eos_token_id", -1); },
       "GGUF-30 1: key 'tokenizer.ggml.eos_token_id' must be u32, found i32"},
      {49,
       "pre-tokenizer foo",
       [](Shards& s) { s[0].string(kPrefix + "pre", "foo"); },
       "GGUF-49 1: pre-tokenizer 'foo' is not supported"},
      {50,
       "template imports a file",
       chat_template("{% import 'passwd' as x %}"),
       "GGUF-50 1: chat template line 1: "},
      {52,
       "template nested 10,000 deep",
       chat_template(deep_parentheses()),
       "GGUF-50 1: chat template line 1: nesting exceeds 64"},
      {52,
       "template of 10 MiB",
       chat_template(std::string(10 << 20, 'a')),
       "GGUF-50 1: chat template line 1: source exceeds 1 MiB (10485760 bytes)"},
  };
}

}  // namespace shoal::loader::testing
