// What the user typed behind -hf, OWNER/NAME[:QUANT], and which names may become paths. Pure.
#pragma once
#include <string>
#include <string_view>

namespace shoal::hub {

// [A-Za-z0-9._-]+, no leading dot, at most 200 characters: safe as one component of a path and of
// a URL.
bool is_plain_name(std::string_view name);
// Plain names joined by '/', at most 8 of them: "UD-Q3_K_XL/NAME-00001-of-00005.gguf".
bool is_plain_path(std::string_view path);

struct RepoName {
  std::string owner, name;
  std::string quant;  // as typed; empty: the repository's usual one
  std::string revision = "main";

  std::string id() const { return owner + "/" + name; }
};

// Throws Error (usage) with what is allowed.
RepoName parse_repo_name(const std::string& text, const std::string& revision = "main");

}  // namespace shoal::hub
