#include "tests/unit/bad_files/shard_set.h"

#include <fmt/format.h>

#include "tests/unit/loader/tiny_model.h"

namespace shoal::loader::testing {
namespace {

std::string utf8(int code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// GPT-2's spelling of bytes: those that print stand for themselves, the others follow from 256 on.
std::vector<std::string> byte_spellings() {
  std::vector<std::string> out;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    out.push_back(utf8(prints ? byte : next++));
  }
  return out;
}

void add_byte_vocabulary(GgufFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  std::vector<std::string> tokens = byte_spellings();
  tokens.insert(tokens.end(), {"<|im_end|>", "<think>", "ab", "[PAD]"});
  std::string types;
  for (int id = 0; id < 256; ++id) types += raw(1);
  for (const int32_t type : {3, 4, 1, 5}) types += raw(type);
  file.string(prefix + "model", "gpt2");
  file.string(prefix + "pre", "qwen35");
  file.put(prefix + "tokens", 9, texts(tokens));
  file.put(prefix + "token_type", 9, array_of(5, kSetVocab, types));
  file.put(prefix + "merges", 9, texts({"a b"}));
  file.u32(prefix + "eos_token_id", 256);
  file.string("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
}

}  // namespace

std::vector<GgufFile> valid_set() {
  std::vector<GgufFile> set(3);
  add_tiny_metadata(set[0]);
  add_byte_vocabulary(set[0]);
  GgufFile whole;
  add_tiny_tensors(whole);
  whole.tensor("token_embd.weight").ne = {8, kSetVocab};
  whole.tensor("output.weight").ne = {8, kSetVocab};
  const auto half = whole.tensors.begin() + 20;
  set[1].tensors.assign(whole.tensors.begin(), half);
  set[2].tensors.assign(half, whole.tensors.end());
  for (uint16_t i = 0; i < 3; ++i) {
    set[i].u16("split.no", i);
    set[i].u16("split.count", 3);
    set[i].i32("split.tensors.count", static_cast<int32_t>(whole.tensors.size()));
  }
  return set;
}

std::vector<std::string> set_bytes(const std::vector<GgufFile>& shards) {
  std::vector<std::string> out;
  for (const GgufFile& shard : shards) out.push_back(shard.bytes());
  return out;
}

std::string set_file_name(int number, int count) {
  return fmt::format("m-{:05}-of-{:05}.gguf", number, count);
}

std::string write_set(const ScratchFolder& folder, const std::vector<std::string>& bytes) {
  const int count = static_cast<int>(bytes.size());
  for (int i = 0; i < count; ++i)
    folder.write(set_file_name(i + 1, count), bytes[static_cast<size_t>(i)]);
  return folder.path() + "/" + set_file_name(1, count);
}

std::string refusal_line(const std::string& refusal, const std::string& folder) {
  const int shard = refusal[8] - '0';
  return "error[" + refusal.substr(0, 7) + "]: " + folder + "/" + set_file_name(shard) + ": " +
         refusal.substr(11);
}

}  // namespace shoal::loader::testing
