#include "runtime/base/env.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace shoal {

std::optional<std::string> env_value(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::optional<std::string> env_flag(std::string_view flag) {
  std::string name = "SHOAL_";
  for (const char c : flag)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return env_value(name.c_str());
}

std::vector<std::string> env_names(std::string_view prefix) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with(prefix)) names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

WorkerEnv read_worker_env() {
  WorkerEnv env;
  env.coordinator = env_value("SHOAL_COORDINATOR").value_or("");
  env.job_token = env_value("SHOAL_JOB_TOKEN").value_or("");
  env.credentials = env_value("SHOAL_JOB_CREDENTIALS").value_or("");
  env.epoch = static_cast<uint32_t>(
      std::strtoul(env_value("SHOAL_EPOCH").value_or("0").c_str(), nullptr, 10));
  return env;
}

std::optional<std::string> forced_isa() { return env_value("SHOAL_FORCE_ISA"); }

long step_timeout_ms() {
  const auto text = env_value("SHOAL_STEP_TIMEOUT_MS");
  const long value = text ? std::strtol(text->c_str(), nullptr, 10) : 0;
  return value > 0 ? value : 30'000;
}

HostPlace host_place(int world_size) {
  const auto number = [](const char* name, int otherwise) {
    const auto text = env_value(name);
    return text ? std::atoi(text->c_str()) : otherwise;
  };
  HostPlace place;
  place.local_rank = number("OMPI_COMM_WORLD_LOCAL_RANK", number("SLURM_LOCALID", 0));
  place.ranks_on_host = std::max(1, number("OMPI_COMM_WORLD_LOCAL_SIZE", world_size));
  return place;
}

}  // namespace shoal
