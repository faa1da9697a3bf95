#include "launch/open_served_model.h"

#include <utility>

#include "loader/io/manifest.h"

namespace shoal::launch {

std::shared_ptr<const coordinator::ServedModel> open_served_model(const std::string& path,
                                                                  const std::string& alias) {
  loader::ModelFiles files = loader::open_model(path);
  loader::check_against_manifest(files);
  return coordinator::make_served_model(files.metadata, std::move(files.directory), alias);
}

}  // namespace shoal::launch
