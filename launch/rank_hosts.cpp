#include "launch/rank_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

struct Room {
  std::string name;
  int slots = 0, left = 0;
  bool said = false;  // slots come from the file
};

std::vector<Room> rooms_of(const ClusterFile& cluster, int world_size) {
  const int num_hosts = static_cast<int>(cluster.hosts.size());
  std::vector<Room> rooms;
  for (int i = 0; i < num_hosts; ++i) {
    const ClusterHost& host = cluster.hosts[static_cast<size_t>(i)];
    const int share = world_size / num_hosts + (i < world_size % num_hosts ? 1 : 0);
    const int slots = host.slots > 0 ? host.slots : share;
    rooms.push_back({host.name, slots, slots, host.slots > 0});
  }
  return rooms;
}

[[noreturn]] void refuse(const ClusterFile& cluster, const std::string& what) {
  throw Error(ExitCode::kUsage, fmt::format("{}: {}", printable(cluster.path, 200), what));
}

}  // namespace

std::vector<std::string> hosts_of_ranks(const ClusterFile& cluster) {
  if (cluster.hosts.empty()) return {};
  const std::vector<int> widths = cluster.ep_per_stage();
  const int world_size = std::accumulate(widths.begin(), widths.end(), 0);
  std::vector<Room> rooms = rooms_of(cluster, world_size);
  std::vector<std::vector<std::string>> placed(cluster.stages.size());
  const auto take = [&](size_t stage, Room& room, int ranks) {
    placed[stage].insert(placed[stage].end(), static_cast<size_t>(ranks), room.name);
    room.left -= ranks;
  };

  for (size_t i = 0; i < cluster.stages.size(); ++i) {
    const ClusterStage& stage = cluster.stages[i];
    if (stage.host.empty()) continue;
    Room& room = *std::find_if(
        rooms.begin(), rooms.end(), [&](const Room& r) { return r.name == stage.host; });
    if (room.said && room.left < stage.ep)
      refuse(
          cluster,
          fmt::format(
              "stages on host '{}' need more than its {} slots", printable(room.name), room.slots));
    take(i, room, stage.ep);
  }
  for (size_t i = 0; i < cluster.stages.size(); ++i) {
    if (!cluster.stages[i].host.empty()) continue;
    int left = cluster.stages[i].ep;
    const auto whole =
        std::find_if(rooms.begin(), rooms.end(), [&](const Room& r) { return r.left >= left; });
    if (whole != rooms.end()) {
      take(i, *whole, left);
      continue;
    }
    for (Room& room : rooms) {
      const int here = std::clamp(room.left, 0, left);
      take(i, room, here);
      left -= here;
    }
    if (left > 0)
      refuse(
          cluster,
          fmt::format(
              "{} ranks do not fit on {} hosts: {} have no slot", world_size, rooms.size(), left));
  }
  std::vector<std::string> hosts;
  for (const auto& stage : placed) hosts.insert(hosts.end(), stage.begin(), stage.end());
  return hosts;
}

}  // namespace shoal::launch
