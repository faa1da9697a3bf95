// Cases of a template as JSON lines, written by Python's jinja2: {"input", "output"} or
// {"input", "error"}, and for snippets the template's "source" beside them.
#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace shoal::text {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

inline std::vector<nlohmann::ordered_json> read_cases(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<nlohmann::ordered_json> cases;
  for (std::string line; std::getline(in, line);) {
    cases.push_back(nlohmann::ordered_json::parse(line));
  }
  return cases;
}

}  // namespace shoal::text
