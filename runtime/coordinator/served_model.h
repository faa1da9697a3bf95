// The model as the coordinator knows it: headers, tokenizer, template. Opened once, immutable,
// shared by all doors. No weights.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "loader/format/model_config.h"
#include "loader/format/vocab.h"
#include "runtime/text/template/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace shoal::coordinator {

struct ServedModel {
  std::string path;   // first shard
  std::string name;   // --alias, else general.name, else the file's stem
  loader::TensorDirectory directory;
  loader::ModelConfig config;
  loader::Vocab vocab;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<text::ChatTemplate> chat_template;  // null where the file has none

  std::vector<int32_t> stop_ids;    // eos and <|endoftext|>
};

}  // namespace shoal::coordinator
