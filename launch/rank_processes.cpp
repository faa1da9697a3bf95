#include "launch/rank_processes.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "launch/child_process.h"

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

constexpr auto kSearchEvery = 20ms;
constexpr auto kGoneTime = 300ms;
// mpirun starts a host's ranks within milliseconds of each other: one that is not seen this long
// after the first died before anybody looked.
constexpr auto kStartSpread = 1s;

std::string read_proc(pid_t pid, const char* name) {
  std::ifstream file(fmt::format("/proc/{}/{}", pid, name));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What Open MPI told the process; empty for mpirun's other children, and before exec.
std::optional<int> rank_of(pid_t pid) {
  constexpr std::string_view kName = "OMPI_COMM_WORLD_RANK=";
  const std::string environment = '\0' + read_proc(pid, "environ");
  const size_t at = environment.find('\0' + std::string(kName));
  if (at == std::string::npos) return std::nullopt;
  const char* begin = environment.c_str() + at + 1 + kName.size();
  int rank = 0;
  const auto [end, error] = std::from_chars(begin, environment.c_str() + environment.size(), rank);
  return error == std::errc() ? std::optional(rank) : std::nullopt;
}

bool lives(pid_t pid) {
  const std::string stat = read_proc(pid, "stat");
  const size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z';
}

}  // namespace

void RankProcesses::find(pid_t mpirun) {
  if (Clock::now() < next_search_) return;
  next_search_ = Clock::now() + kSearchEvery;
  for (const pid_t pid : children_of(mpirun))
    if (const auto rank = rank_of(pid)) pids_.emplace(*rank, pid);
  if (!pids_.empty() && !first_found_) first_found_ = Clock::now();
}

std::optional<int> RankProcesses::never_seen() const {
  if (!first_found_ || Clock::now() - *first_found_ < kStartSpread) return std::nullopt;
  for (int rank = 0; rank < world_size_; ++rank)
    if (pids_.count(rank) == 0) return rank;
  return std::nullopt;
}

std::optional<int> RankProcesses::look(pid_t mpirun) {
  if (static_cast<int>(pids_.size()) < world_size_) find(mpirun);
  for (const auto& [rank, pid] : pids_) {
    if (lives(pid)) continue;
    if (!gone_since_) gone_since_ = Clock::now();
    if (Clock::now() - *gone_since_ >= kGoneTime) return rank;
    return std::nullopt;
  }
  return never_seen();
}

}  // namespace shoal::launch
