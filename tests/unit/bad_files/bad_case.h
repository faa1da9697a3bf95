// One bad input made from the valid set of three shards, and the one line that refuses it. `row` is
// its number in the table of bad inputs that this project is tested against; the GGUF-nn of the
// refusal names the kind of fault, which several rows may share.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tests/unit/loader/gguf_writer.h"

namespace shoal::loader::testing {

using Shards = std::vector<GgufFile>;
using Bytes = std::vector<std::string>;  // one string a file

struct BadCase {
  int row = 0;
  std::string name;
  std::function<void(Shards&)> edit;  // before the files are laid out; may be empty
  // "GGUF-08 2: text": the code, the shard named (0: the first path's folder), and the text after
  // "byte N: ".
  std::string refusal;
  std::function<void(Bytes&)> spoil;  // of what is then written; may be empty
};

std::vector<BadCase> bad_header_cases();  // rows 1 to 28: one file's container
std::vector<BadCase> bad_key_cases();     // rows 29 to 40: the model's dimensions
std::vector<BadCase> bad_vocab_cases();   // rows 41 to 52: tokenizer and template
std::vector<BadCase> bad_tensor_cases();  // rows 53 to 76: tensors and their places
std::vector<BadCase> bad_set_cases();     // rows 78 to 87: shards that do not belong together

// All of them.
std::vector<BadCase> bad_cases();

}  // namespace shoal::loader::testing
