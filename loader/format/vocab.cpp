#include "loader/format/vocab.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include "loader/format/bad_file.h"
#include "loader/format/metadata.h"

namespace shoal::loader {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kTemplate = "tokenizer.chat_template";
constexpr size_t kMaxTokenBytes = 65535;
constexpr size_t kMaxTokens = size_t{1} << 31;  // ids are int32_t

using TokenIds = std::unordered_map<std::string_view, size_t>;

std::vector<std::string_view> required_strings(const Metadata& metadata, const char* key) {
  auto strings = metadata.get_array<std::string_view>(key);
  if (!strings)
    refuse(29, metadata.place(key), fmt::format("required key {} is missing", quoted(key)));
  return *std::move(strings);
}

TokenIds index_tokens(const Metadata& metadata, const std::vector<std::string_view>& tokens) {
  if (tokens.size() >= kMaxTokens)
    refuse(
        41,
        metadata.place(kTokens),
        fmt::format("vocabulary has {} tokens; fewer than {} allowed", tokens.size(), kMaxTokens));
  TokenIds ids;
  ids.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].size() > kMaxTokenBytes)
      refuse(45,
             metadata.place(kTokens),
             fmt::format("token {} is {} bytes; {} allowed", i, tokens[i].size(), kMaxTokenBytes));
    const auto [earlier, is_first] = ids.emplace(tokens[i], i);
    // Empty texts fill gaps between ids in some files; nothing can ever encode to them.
    if (!is_first && !tokens[i].empty())
      refuse(46,
             metadata.place(kTokens),
             fmt::format("token {} repeats token {}", i, earlier->second));
  }
  return ids;
}

void check_length(const Metadata& metadata, const char* key, size_t entries, size_t tokens) {
  const std::string_view name = key;
  if (entries != tokens)
    refuse(43,
           metadata.place(key),
           fmt::format("{} has {} entries for {} tokens",
                       quoted(name.substr(name.rfind('.') + 1)),
                       entries,
                       tokens));
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) && is_hex(text[4]) &&
         text[5] == '>';
}

std::vector<TokenType> read_types(const Metadata& metadata,
                                  const std::vector<std::string_view>& tokens) {
  std::vector<TokenType> types(tokens.size(), TokenType::kNormal);
  const auto ids = metadata.get_array<int32_t>(kTypes);
  if (!ids) return types;
  check_length(metadata, kTypes, ids->size(), tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    // 0 and ids of the future mean "nothing special".
    if ((*ids)[i] >= 1 && (*ids)[i] <= 6) types[i] = static_cast<TokenType>((*ids)[i]);
    if (types[i] == TokenType::kByte && !is_byte_token(tokens[i]))
      refuse(47,
             metadata.place(kTokens),
             fmt::format("token {} {} is not a byte token", i, quoted(tokens[i])));
  }
  return types;
}

void check_scores(const Metadata& metadata, size_t num_tokens) {
  const MetadataEntry* scores = metadata.find(kScores);
  if (scores == nullptr) return;
  if (scores->type != ValueType::kArray || scores->element != ValueType::kF32)
    refuse(42,
           metadata.place(kScores),
           fmt::format("array {} must be f32, found {}",
                       quoted(kScores),
                       value_type_name(scores->type == ValueType::kArray ? scores->element
                                                                         : scores->type)));
  check_length(metadata, kScores, scores->count, num_tokens);
}

std::vector<std::string> read_merges(const Metadata& metadata, const TokenIds& ids) {
  std::vector<std::string> merges;
  std::string joined;
  const std::vector<std::string_view> lines = required_strings(metadata, kMerges);
  merges.reserve(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    // From 1: the left piece is never empty.
    const size_t space = line.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == line.size())
      refuse(44, metadata.place(kMerges), fmt::format("merge {} {} has no space", i, quoted(line)));
    const std::string_view left = line.substr(0, space);
    const std::string_view right = line.substr(space + 1);
    joined.assign(left).append(right);
    for (const std::string_view piece : {left, right, std::string_view(joined)})
      if (!ids.contains(piece))
        refuse(
            44,
            metadata.place(kMerges),
            fmt::format("merge {} {} names {}, which is no token", i, quoted(line), quoted(piece)));
    merges.emplace_back(line);
  }
  return merges;
}

std::optional<int32_t> read_id(const Metadata& metadata, const char* name, size_t num_tokens) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  const std::optional<uint32_t> id = metadata.get<uint32_t>(key);
  if (!id) return std::nullopt;
  if (*id >= num_tokens)
    refuse(48,
           metadata.place(key),
           fmt::format("{} id {} is outside the vocabulary of {}", name, *id, num_tokens));
  return static_cast<int32_t>(*id);
}

std::optional<float> advised(const Metadata& metadata, const char* name) {
  const std::optional<double> value = metadata.number(fmt::format("general.sampling.{}", name));
  if (!value) return std::nullopt;
  return static_cast<float>(*value);
}

RecommendedSampling read_sampling(const Metadata& metadata) {
  RecommendedSampling sampling;
  sampling.temperature = advised(metadata, "temp");
  sampling.top_p = advised(metadata, "top_p");
  sampling.min_p = advised(metadata, "min_p");
  const std::optional<float> top_k = advised(metadata, "top_k");
  // Outside the vocabulary's range means "no limit", which is what saying nothing means.
  if (top_k && *top_k >= 0 && *top_k < static_cast<float>(kMaxTokens))
    sampling.top_k = static_cast<int32_t>(*top_k);
  return sampling;
}

}  // namespace

std::string parse_chat_template(const Metadata& metadata) {
  return metadata.get<std::string>(kTemplate).value_or("");
}

Vocab parse_vocab(const Metadata& metadata) {
  Vocab vocab;
  vocab.model = metadata.require<std::string>("tokenizer.ggml.model");
  if (vocab.model != "gpt2")
    refuse(49,
           metadata.place("tokenizer.ggml.model"),
           fmt::format("tokenizer model {} is not supported; gpt2 is", quoted(vocab.model)));
  vocab.pre = metadata.require<std::string>("tokenizer.ggml.pre");
  if (vocab.pre != "qwen35")
    refuse(49,
           metadata.place("tokenizer.ggml.pre"),
           fmt::format("pre-tokenizer {} is not supported", quoted(vocab.pre)));
  const std::vector<std::string_view> tokens = required_strings(metadata, kTokens);
  const TokenIds ids = index_tokens(metadata, tokens);
  vocab.tokens.assign(tokens.begin(), tokens.end());
  vocab.types = read_types(metadata, tokens);
  check_scores(metadata, tokens.size());
  vocab.merges = read_merges(metadata, ids);
  vocab.eos_id = read_id(metadata, "eos", tokens.size()).value_or(-1);
  vocab.bos_id = read_id(metadata, "bos", tokens.size());
  vocab.padding_id = read_id(metadata, "padding", tokens.size());
  vocab.add_bos = metadata.get<bool>("tokenizer.ggml.add_bos_token").value_or(false);
  vocab.chat_template = parse_chat_template(metadata);
  vocab.sampling = read_sampling(metadata);
  return vocab;
}

}  // namespace shoal::loader
