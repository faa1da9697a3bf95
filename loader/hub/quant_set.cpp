#include "loader/hub/quant_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "loader/format/split_set.h"
#include "loader/hub/sha256.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Q4_K_M, IQ2_XXS, TQ1_0, BF16, F16, MXFP4_MOE, NVFP4
bool names_a_type(const std::string& part) {
  const std::string text = upper(part);
  for (const char* start : {"BF16", "F16", "F32", "MXFP", "NVFP"})
    if (text.starts_with(start)) return true;
  const size_t q = text.starts_with("IQ") || text.starts_with("TQ") ? 1 : 0;
  return text.size() > q + 1 && text[q] == 'Q' && text[q + 1] >= '1' && text[q + 1] <= '8';
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return "";
  const std::string folders = path.substr(0, slash);
  return folders.substr(folders.rfind('/') + 1);
}

std::string file_stem(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.size() - std::string(".gguf").size());
}

bool is_model(const RemoteFile& file) {
  const std::string name = upper(file.file_name());
  return !name.starts_with("MMPROJ") && name.find("IMATRIX") == std::string::npos;
}

std::string choices(const std::vector<QuantSet>& sets) {
  std::string text;
  for (const QuantSet& set : sets)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", set.label, human_bytes(set.bytes()));
  return text;
}

bool is_called(const QuantSet& set, const std::string& quant) {
  return upper(set.label) == upper(quant) ||
         upper(folder_of(set.files.front().path)) == upper(quant);
}

std::vector<QuantSet> sets_called(const std::vector<QuantSet>& sets, const std::string& quant) {
  std::vector<QuantSet> found;
  for (const QuantSet& set : sets)
    if (is_called(set, quant)) found.push_back(set);
  return found;
}

std::vector<QuantSet> usual_sets(const std::vector<QuantSet>& sets) {
  if (sets.size() == 1) return sets;
  for (const char* usual : {"Q4_K_M", "UD-Q4_K_XL"})
    if (auto found = sets_called(sets, usual); !found.empty()) return found;
  return {};
}

void check_whole(const RepoName& repo, const QuantSet& set) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ExitCode::kBadModel, fmt::format("{} of {} {}", set.label, repo.id(), why));
  };
  if (static_cast<int>(set.files.size()) != set.num_expected)
    refuse(
        fmt::format("has {} of {} shards in the repository", set.files.size(), set.num_expected));
  for (const RemoteFile& file : set.files)
    if (file.sha256.empty() || file.bytes == 0)
      refuse(fmt::format("cannot be checked: the server tells no SHA-256 of {}", file.path));
}

}  // namespace

uint64_t QuantSet::bytes() const {
  uint64_t sum = 0;
  for (const RemoteFile& file : files) sum += file.bytes;
  return sum;
}

std::string QuantSet::fingerprint() const {
  Sha256 hash;
  for (const RemoteFile& file : files)
    hash.add(fmt::format("{} {} {}\n", file.file_name(), file.bytes, file.sha256));
  return hash.hex().substr(0, 12);
}

std::string quant_label(const std::string& stem) {
  for (size_t word = stem.size(); word-- > 0;) {
    const bool starts = word == 0 || stem[word - 1] == '-' || stem[word - 1] == '.';
    if (!starts || !names_a_type(stem.substr(word))) continue;
    const bool dynamic = word >= 3 && upper(stem.substr(word - 3, 3)) == "UD-";
    return stem.substr(dynamic ? word - 3 : word);
  }
  return "";
}

std::vector<QuantSet> find_quant_sets(const std::vector<RemoteFile>& files) {
  std::vector<std::string> order;
  std::map<std::string, std::map<int, RemoteFile>> numbered;
  std::map<std::string, int> counts;
  for (const RemoteFile& file : files) {
    if (!is_model(file)) continue;
    const auto split = loader::parse_split_name(file.path);
    const std::string key = split ? fmt::format("{}/{}", split->prefix, split->count) : file.path;
    if (numbered.find(key) == numbered.end()) order.push_back(key);
    numbered[key][split ? split->number : 1] = file;
    counts[key] = split ? split->count : 1;
  }
  std::vector<QuantSet> sets;
  for (const std::string& key : order) {
    QuantSet set;
    for (auto& [number, file] : numbered[key]) set.files.push_back(std::move(file));
    set.num_expected = counts[key];
    const std::string& path = set.files.front().path;
    const auto split = loader::parse_split_name(path);
    const std::string stem = split ? file_stem(split->prefix + ".gguf") : file_stem(path);
    set.label = quant_label(stem);
    if (set.label.empty()) set.label = quant_label(folder_of(path));
    if (set.label.empty()) set.label = stem;
    sets.push_back(std::move(set));
  }
  return sets;
}

QuantSet choose_quant_set(const RepoName& repo,
                          const std::string& path,
                          const std::vector<RemoteFile>& files) {
  const std::vector<QuantSet> sets = find_quant_sets(files);
  if (sets.empty())
    throw Error(ExitCode::kUsage,
                fmt::format("{} at {} holds no GGUF model", repo.id(), repo.revision));
  std::vector<QuantSet> found;
  if (!path.empty()) {
    for (const QuantSet& set : sets)
      for (const RemoteFile& file : set.files)
        if (file.path == path) found.push_back(set);
    if (found.empty())
      throw Error(
          ExitCode::kUsage,
          fmt::format(
              "{} holds no {}; it holds {}", repo.id(), printable(path, 200), choices(sets)));
  } else if (repo.quant.empty()) {
    found = usual_sets(sets);
    if (found.empty())
      throw Error(
          ExitCode::kUsage,
          fmt::format(
              "which of {}? Say -hf {}:QUANT, one of {}", repo.id(), repo.id(), choices(sets)));
  } else {
    found = sets_called(sets, repo.quant);
    if (found.empty())
      throw Error(ExitCode::kUsage,
                  fmt::format("{} holds no {}; it holds {}", repo.id(), repo.quant, choices(sets)));
  }
  if (found.size() > 1)
    throw Error(ExitCode::kUsage,
                fmt::format("{} holds {} models called {}: name a file of one with --hf-file, "
                            "such as {}",
                            repo.id(),
                            found.size(),
                            found.front().label,
                            found.front().files.front().path));
  check_whole(repo, found.front());
  return found.front();
}

}  // namespace shoal::hub
