#include "runtime/coordinator/served_model.h"

#include <filesystem>
#include <utility>

#include "loader/format/bad_file.h"
#include "runtime/base/error.h"

namespace shoal::coordinator {
namespace {

std::string choose_name(const std::string& alias,
                        const std::string& general_name,
                        const std::string& path) {
  if (!alias.empty()) return alias;
  if (!general_name.empty()) return general_name;
  return std::filesystem::path(path).stem().string();
}

std::unique_ptr<text::ChatTemplate> parse_template(const std::string& source,
                                                   const loader::Metadata& metadata) {
  if (source.empty()) return nullptr;
  try {
    return std::make_unique<text::ChatTemplate>(text::ChatTemplate::parse(source));
  } catch (const text::TemplateError& error) {
    // In a served model the template is part of the file, and so is its fault.
    loader::refuse(50, metadata.place("tokenizer.chat_template"), error.what());
  }
}

std::unique_ptr<text::Tokenizer> make_tokenizer(const loader::Vocab& vocab,
                                                const loader::Metadata& metadata) {
  try {
    return std::make_unique<text::Tokenizer>(vocab);
  } catch (const ModelFileError& error) {
    loader::refuse(49, metadata.place("tokenizer.ggml.tokens"), error.what());
  }
}

}  // namespace

std::shared_ptr<const ServedModel> make_served_model(const loader::Metadata& metadata,
                                                     loader::TensorDirectory directory,
                                                     const std::string& alias) {
  auto model = std::make_shared<ServedModel>();
  model->path = directory.shards().front().path;
  model->config = loader::parse_model_config(metadata, directory);
  model->vocab = loader::parse_vocab(metadata);
  model->directory = std::move(directory);
  model->name = choose_name(alias, model->config.name, model->path);
  model->tokenizer = make_tokenizer(model->vocab, metadata);
  model->chat_template = parse_template(model->vocab.chat_template, metadata);
  model->stop_ids = model->tokenizer->end_ids();
  return model;
}

}  // namespace shoal::coordinator
