#include "tests/tools/made_vocab.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace shoal::tools {
namespace {

constexpr int kNumBytes = 256;
constexpr int kPublicTokens = 248320, kPublicMerges = 247587, kPublicSpecials = 248044;
constexpr int kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

struct Special {
  const char* text;
  int type;
};
// In the order of their ids.
constexpr std::array kSpecials = {
    Special{"<|endoftext|>", kControl},       Special{"<|im_start|>", kControl},
    Special{"<|im_end|>", kControl},          Special{"<|object_ref_start|>", kControl},
    Special{"<|object_ref_end|>", kControl},  Special{"<|box_start|>", kControl},
    Special{"<|box_end|>", kControl},         Special{"<|quad_start|>", kControl},
    Special{"<|quad_end|>", kControl},        Special{"<|vision_start|>", kControl},
    Special{"<|vision_end|>", kControl},      Special{"<|vision_pad|>", kControl},
    Special{"<|image_pad|>", kControl},       Special{"<|video_pad|>", kControl},
    Special{"<tool_call>", kUserDefined},     Special{"</tool_call>", kUserDefined},
    Special{"<|fim_prefix|>", kUserDefined},  Special{"<|fim_middle|>", kUserDefined},
    Special{"<|fim_suffix|>", kUserDefined},  Special{"<|fim_pad|>", kUserDefined},
    Special{"<|repo_name|>", kUserDefined},   Special{"<|file_sep|>", kUserDefined},
    Special{"<tool_response>", kUserDefined}, Special{"</tool_response>", kUserDefined},
    Special{"<think>", kUserDefined},         Special{"</think>", kUserDefined},
    Special{"<|audio_start|>", kControl},     Special{"<|audio_end|>", kControl},
    Special{"<tts_pad>", kControl},           Special{"<tts_text_bos>", kControl},
    Special{"<tts_text_eod>", kControl},      Special{"<tts_text_bos_single>", kControl},
    Special{"<|audio_pad|>", kControl},
};
constexpr int kNumSpecials = static_cast<int>(kSpecials.size());
constexpr int kEndOfTurn = 2;  // its place among them

constexpr std::string_view kTemplate =
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + "
    "'<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' "
    "}}{%- endif %}";

std::string utf8(int code) {
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

// The printable letter that stands for each byte in byte-level BPE: itself where it is printable,
// else the next letter from 256 on.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters;
  std::vector<std::string> others;
  for (int byte = 0, next = 256; byte < kNumBytes; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    (printable ? letters : others).push_back(utf8(printable ? byte : next++));
  }
  letters.insert(letters.end(), others.begin(), others.end());
  return letters;
}

}  // namespace

void put_vocab(EntryBytes& entries, int num_tokens) {
  if (num_tokens < kNumBytes + kNumSpecials)
    throw std::invalid_argument(
        fmt::format("{} tokens: at least {} are needed", num_tokens, kNumBytes + kNumSpecials));
  const bool is_public = num_tokens == kPublicTokens;
  const int first_special = is_public ? kPublicSpecials : num_tokens - kNumSpecials;
  const int num_merges = is_public ? kPublicMerges : first_special - kNumBytes;

  std::vector<std::string> tokens = byte_letters(), merges;
  // Every token is the beginning of two longer ones, so all differ, and they are as long as words.
  constexpr std::array<const char*, 2> kEndings = {"e", "t"};
  for (int i = 0; i < num_merges; ++i) {
    const std::string left = tokens[static_cast<size_t>(i / 2)];
    const char* const right = kEndings[static_cast<size_t>(i % 2)];
    merges.push_back(left + " " + right);
    tokens.push_back(left + right);
  }
  while (tokens.size() < static_cast<size_t>(first_special))
    tokens.push_back(fmt::format("~{}~", tokens.size()));
  std::vector<int32_t> types(tokens.size(), kNormal);
  for (const Special& special : kSpecials) {
    tokens.emplace_back(special.text);
    types.push_back(special.type);
  }
  while (tokens.size() < static_cast<size_t>(num_tokens)) {
    tokens.push_back(fmt::format("[PAD{}]", tokens.size()));
    types.push_back(kUnused);
  }
  entries.text("tokenizer.ggml.model", "gpt2");
  entries.text("tokenizer.ggml.pre", "qwen35");
  entries.texts("tokenizer.ggml.tokens", tokens);
  entries.i32s("tokenizer.ggml.token_type", types);
  entries.texts("tokenizer.ggml.merges", merges);
  entries.u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(first_special + kEndOfTurn));
  entries.u32("tokenizer.ggml.padding_token_id", static_cast<uint32_t>(first_special + 11));
  entries.flag("tokenizer.ggml.add_bos_token", false);
  entries.text("tokenizer.chat_template", kTemplate);
}

}  // namespace shoal::tools
