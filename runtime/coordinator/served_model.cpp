#include "runtime/coordinator/served_model.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

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
                                                   const std::string& path) {
  if (source.empty()) return nullptr;
  try {
    return std::make_unique<text::ChatTemplate>(text::ChatTemplate::parse(source));
  } catch (const text::TemplateError& error) {
    // In a served model the template is part of the file, and so is its fault.
    throw ModelFileError(fmt::format("{}: {}", printable(path, 200), error.what()));
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
  model->tokenizer = std::make_unique<text::Tokenizer>(model->vocab);
  model->chat_template = parse_template(model->vocab.chat_template, model->path);
  model->stop_ids = model->tokenizer->end_ids();
  return model;
}

}  // namespace shoal::coordinator
