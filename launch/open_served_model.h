// From what the user typed behind -m to the model that a coordinator serves.
#pragma once
#include <memory>
#include <string>

#include "runtime/coordinator/served_model.h"

namespace shoal::launch {

// Where a manifest lies beside the files they must match it, as far as headers and samples show.
// Throws ModelFileError, or Error (usage) for a folder with several models.
std::shared_ptr<const coordinator::ServedModel> open_served_model(const std::string& path,
                                                                  const std::string& alias = "");

}  // namespace shoal::launch
