// Whole files as bytes, for prompts, cluster files, messages and templates.
#pragma once
#include <string>

namespace shoal::launch {

// "-" is stdin. Throws Error (usage) "cannot read WHAT 'path': ...".
std::string read_text_file(const std::string& path, const char* what);

}  // namespace shoal::launch
