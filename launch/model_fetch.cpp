#include "launch/model_fetch.h"

#include <cstdio>

#include "launch/pull_progress.h"
#include "loader/hub/pull.h"
#include "loader/hub/remote_header.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "sharding/planner.h"
#include "sharding/rank_shards.h"

namespace shoal::launch {
namespace {

std::string env_text(const char* name) { return env_value(name).value_or(""); }

std::string cache_folder() {
  if (const std::string own = env_text("SHOAL_CACHE"); !own.empty()) return own;
  if (const std::string base = env_text("XDG_CACHE_HOME"); !base.empty()) return base + "/shoal";
  if (const std::string home = env_text("HOME"); !home.empty()) return home + "/.cache/shoal";
  throw Error(ExitCode::kUsage,
              "no cache folder: neither SHOAL_CACHE, XDG_CACHE_HOME nor HOME is set");
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

hub::HubSettings hub_settings(const ModelOptions& model) {
  hub::HubSettings settings;
  if (const std::string endpoint = env_text("HF_ENDPOINT"); !endpoint.empty())
    settings.endpoints = {without_slash(endpoint)};
  for (const std::string& mirror : model.hf_mirrors)
    settings.endpoints.push_back(without_slash(mirror));
  settings.token = env_text("HF_TOKEN");
  settings.authorities_path = env_text("SSL_CERT_FILE");
  settings.cache_folder = cache_folder();
  const std::string offline = env_text("HF_HUB_OFFLINE");
  settings.offline = model.offline || (!offline.empty() && offline != "0");
  settings.validate();
  return settings;
}

std::vector<int> wanted_shards(const hub::HubSettings& settings,
                               const hub::RepoName& repo,
                               const hub::FoundSet& found,
                               const FetchScope& scope) {
  if (scope.rank < 0) return {};
  const loader::ParsedModel model = hub::read_remote_headers(settings, repo, found.set);
  const auto planned =
      sharding::plan_shards(model.directory,
                            loader::parse_model_config(model.metadata, model.directory),
                            scope.shape.spec());
  if (const auto* refusal = std::get_if<sharding::Refusal>(&planned))
    throw Error(refusal->usage ? ExitCode::kUsage : ExitCode::kDoesNotFit, refusal->reason);
  const auto& plan = std::get<sharding::ShardPlan>(planned);
  if (scope.rank >= plan.grid.world_size())
    throw Error(ExitCode::kUsage,
                fmt::format("--shards-of-rank is {}: the grid has ranks 0..{}",
                            scope.rank,
                            plan.grid.world_size() - 1));
  return sharding::shards_of_rank(plan, model.directory, scope.rank);
}

}  // namespace

FetchedModel fetch_model(const ModelOptions& model, const FetchScope& scope) {
  const hub::RepoName repo = hub::parse_repo_name(model.hf_repo, model.hf_revision);
  const hub::HubSettings settings = hub_settings(model);
  const hub::FoundSet found = hub::find_set(settings, repo, model.hf_file);
  if (!found.note.empty()) fmt::print(stderr, "note: {}\n", found.note);
  PullProgress progress(fmt::format("{}:{}", repo.id(), found.set.label), stderr);
  const hub::Pulled pulled = hub::pull(
      settings,
      repo,
      found,
      wanted_shards(settings, repo, found, scope),
      [&](const hub::Progress& now) { progress.show(now.bytes, now.total, now.resumed); });
  progress.end();
  return {found.set.label, found.folder, pulled.paths, pulled.bytes, pulled.fetched};
}

}  // namespace shoal::launch
