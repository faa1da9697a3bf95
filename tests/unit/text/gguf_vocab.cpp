#include "tests/unit/text/gguf_vocab.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace shoal::text {
namespace {

class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, bytes_.data() + take(sizeof value), sizeof value);
    return value;
  }
  std::string string() {
    const auto size = number<uint64_t>();
    return bytes_.substr(take(size), size);
  }
  size_t take(size_t num_bytes) {
    if (num_bytes > bytes_.size() - pos_) throw std::runtime_error("test vocabulary ends early");
    return std::exchange(pos_, pos_ + num_bytes);
  }

 private:
  std::string bytes_;
  size_t pos_ = 0;
};

constexpr uint32_t kUint32 = 4, kString = 8, kArray = 9;

void skip_value(Reader& reader, uint32_t type) {
  constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  if (type == kString) {
    reader.string();
  } else if (type == kArray) {
    const auto element = reader.number<uint32_t>();
    for (auto count = reader.number<uint64_t>(); count > 0; --count) skip_value(reader, element);
  } else {
    reader.take(kBytes[type]);
  }
}

std::vector<std::string> strings(Reader& reader) {
  reader.number<uint32_t>();
  std::vector<std::string> values(reader.number<uint64_t>());
  for (std::string& value : values) value = reader.string();
  return values;
}

}  // namespace

loader::Vocab read_gguf_vocab(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Reader reader({std::istreambuf_iterator<char>(file), {}});
  reader.take(16);  // magic, version, number of tensors
  loader::Vocab vocab;
  for (auto num_keys = reader.number<uint64_t>(); num_keys > 0; --num_keys) {
    const std::string key = reader.string();
    const auto type = reader.number<uint32_t>();
    if (key == "tokenizer.ggml.model") {
      vocab.model = reader.string();
    } else if (key == "tokenizer.ggml.pre") {
      vocab.pre = reader.string();
    } else if (key == "tokenizer.ggml.tokens") {
      vocab.tokens = strings(reader);
    } else if (key == "tokenizer.ggml.merges") {
      vocab.merges = strings(reader);
    } else if (key == "tokenizer.ggml.token_type") {
      reader.number<uint32_t>();
      for (auto count = reader.number<uint64_t>(); count > 0; --count)
        vocab.types.push_back(static_cast<loader::TokenType>(reader.number<int32_t>()));
    } else if (key == "tokenizer.ggml.eos_token_id" && type == kUint32) {
      vocab.eos_id = static_cast<int32_t>(reader.number<uint32_t>());
    } else {
      skip_value(reader, type);
    }
  }
  return vocab;
}

}  // namespace shoal::text
