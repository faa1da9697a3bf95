// The model as the coordinator knows it: headers, tokenizer, template. Opened once, immutable,
// shared by all doors. No weights.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "loader/format/metadata.h"
#include "loader/format/model_config.h"
#include "loader/format/vocab.h"
#include "runtime/text/template/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace shoal::coordinator {

struct ServedModel {
  std::string path;  // first shard
  std::string name;  // --alias, else general.name, else the file's stem
  loader::TensorDirectory directory;
  loader::ModelConfig config;
  loader::Vocab vocab;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<text::ChatTemplate> chat_template;  // null where the file has none

  std::vector<int32_t> stop_ids;  // eos and <|endoftext|>
};

// From headers alone: launch opens the files. `alias` empty: the file names the model. Throws
// ModelFileError for a model, tokenizer or template that cannot be used.
std::shared_ptr<const ServedModel> make_served_model(const loader::Metadata& metadata,
                                                     loader::TensorDirectory directory,
                                                     const std::string& alias);

}  // namespace shoal::coordinator
