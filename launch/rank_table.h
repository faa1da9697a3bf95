// What each rank holds and did, for `generate` at its end and for `status`.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/coordinator/coordinator.h"

namespace shoal::launch {

// Layers, experts and weight bytes by class.
std::string held_table(const coordinator::ClusterStatus& status);
// Tokens, expert rows, bytes on the wire and seconds by part.
std::string work_table(const coordinator::ClusterStatus& status);

nlohmann::ordered_json to_json(const coordinator::ClusterStatus& status);

}  // namespace shoal::launch
