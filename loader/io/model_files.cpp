#include "loader/io/model_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <system_error>

#include "loader/format/bad_file.h"
#include "loader/format/split_set.h"
#include "loader/format/synthetic_model.h"
#include "runtime/base/error.h"

namespace shoal::loader {
namespace {

namespace fs = std::filesystem;

// The vision encoder's file lies beside the model in many repositories and is no model by itself.
bool is_vision_part(const std::string& name) { return name.starts_with("mmproj"); }

// One path a model: shards of the same set count once.
std::set<std::string> models_in_folder(const std::string& folder) {
  std::set<std::string> models;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (it->path().extension() != ".gguf" || is_vision_part(name)) continue;
    models.insert(split_paths(it->path().string()).front());
  }
  if (error) refuse(88, {folder}, fmt::format("{}: {}", quoted_path(folder), error.message()));
  return models;
}

std::string model_in_folder(const std::string& folder) {
  const std::set<std::string> models = models_in_folder(folder);
  if (models.empty())
    refuse(88, {folder}, fmt::format("folder {} holds no .gguf file", quoted_path(folder)));
  if (models.size() > 1)
    throw Error(ExitCode::kUsage,
                fmt::format("folder {} holds {} models; name a file of one of them, such as {}",
                            quoted_path(folder),
                            models.size(),
                            quoted_path(*models.begin())));
  return *models.begin();
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

ModelFiles open_model(const std::string& path) {
  if (auto made = synthetic_model(path))
    return {.metadata = std::move(made->metadata), .directory = std::move(made->directory)};
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  const std::string file = is_folder ? model_in_folder(path) : path;
  std::vector<std::string> paths = split_paths(file);
  // A mistyped name is told as that, not as a set whose first shard is missing.
  if (!is_folder && !exists(file)) paths = {file};
  for (const std::string& shard : paths)
    if (paths.size() > 1 && !exists(shard)) refuse_missing_shard(shard);

  ModelFiles model;
  std::vector<ShardHeader> headers;
  for (const std::string& shard : paths) {
    model.files.push_back(MappedFile::open(shard));
    headers.push_back(parse_shard(model.files.back().bytes(), shard));
    model.files.back().stop_read_ahead();
  }
  ParsedModel parsed = join_shards(std::move(headers));
  model.metadata = std::move(parsed.metadata);
  model.directory = std::move(parsed.directory);
  return model;
}

}  // namespace shoal::loader
