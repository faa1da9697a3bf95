#include "loader/hub/repo_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

constexpr size_t kMaxName = 200;
constexpr int kMaxDepth = 8;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

bool is_plain_path(std::string_view path) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const size_t slash = path.find('/');
    if (!is_plain_name(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

RepoName parse_repo_name(const std::string& text, const std::string& revision) {
  RepoName repo;
  const size_t colon = text.find(':');
  const std::string id = text.substr(0, colon);
  const size_t slash = id.find('/');
  repo.owner = id.substr(0, slash);
  if (slash != std::string::npos) repo.name = id.substr(slash + 1);
  if (colon != std::string::npos) repo.quant = text.substr(colon + 1);
  repo.revision = revision;
  const bool quant_ok = colon == std::string::npos || is_plain_name(repo.quant);
  if (!is_plain_name(repo.owner) || !is_plain_name(repo.name) || !quant_ok)
    throw Error(ExitCode::kUsage,
                fmt::format("-hf is '{}': it must be OWNER/NAME or OWNER/NAME:QUANT, in letters, "
                            "digits, '.', '_' and '-'",
                            printable(text, 200)));
  if (!is_plain_name(revision))
    throw Error(ExitCode::kUsage,
                fmt::format("--hf-revision is '{}': it must be a branch, a tag or a commit, in "
                            "letters, digits, '.', '_' and '-'",
                            printable(revision, 200)));
  return repo;
}

}  // namespace shoal::hub
