// Tokenizer data and chat template of a GGUF file, as plain values. Checked by parse_vocab():
// equal array lengths, special ids inside the vocabulary, merges that have a space.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shoal::loader {

class Metadata;

// tokenizer.ggml.token_type
enum class TokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// general.sampling.*: what the file recommends; empty where the file is silent.
struct RecommendedSampling {
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
};

struct Vocab {
  std::string model;                // "gpt2"
  std::string pre;                  // pre-tokenizer, "qwen35"
  std::vector<std::string> tokens;  // GPT-2 printable alphabet; special tokens as plain text
  std::vector<TokenType> types;     // one per token
  std::vector<std::string> merges;  // "left right", best rank first
  int32_t eos_id = -1;
  std::optional<int32_t> bos_id;
  std::optional<int32_t> padding_id;
  bool add_bos = false;
  std::string chat_template;  // empty where the file has none
  RecommendedSampling sampling;
};

// Any architecture whose tokenizer is byte-level BPE ("gpt2") with the qwen35 splitting rules.
// Throws ModelFileError.
Vocab parse_vocab(const Metadata& metadata);

// The template alone, for models whose tokenizer is none of ours. Empty where the file has none.
std::string parse_chat_template(const Metadata& metadata);

}  // namespace shoal::loader
