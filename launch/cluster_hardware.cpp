#include "launch/cluster_hardware.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "launch/command_line/nearest_name.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr int kMostDevices = 4096;

sharding::NodeHardware node_of(const ClusterHost& host, const ClusterFile& cluster) {
  const auto fail = [&](const std::string& what) {
    throw Error(
        ExitCode::kUsage,
        fmt::format("{}: host '{}' {}", printable(cluster.path, 200), printable(host.name), what));
  };
  if (host.device.empty())
    fail(fmt::format("needs a 'device' to plan for: one of {}",
                     listed(sharding::device_kind_names())));
  sharding::NodeHardware node{.name = host.name,
                              .devices = std::max(host.slots, 1),
                              .device = *sharding::find_device_kind(host.device)};
  if (host.memory || host.bandwidth || host.prefill) node.device.measured = false;
  node.device.memory = host.memory.value_or(node.device.memory);
  node.device.reserve = host.reserve.value_or(node.device.reserve);
  // A limit that the running system keeps, too.
  if (cluster.memory_per_rank && *cluster.memory_per_rank < usable_memory(node.device))
    node.device.memory = *cluster.memory_per_rank + node.device.reserve;
  node.device.bandwidth = host.bandwidth.value_or(node.device.bandwidth);
  node.device.prefill_flops = host.prefill.value_or(node.device.prefill_flops);
  node.link = host.link.value_or(node.link);
  node.network = host.network.value_or(node.network);
  node.disk = host.disk.value_or(0);
  if (node.device.memory == 0) fail("needs its 'memory'");
  if (node.device.bandwidth <= 0) fail("needs the 'bandwidth' of its memory");
  if (node.device.prefill_flops <= 0) fail("needs 'prefill', the FLOP/s that prompts reach");
  return node;
}

}  // namespace

sharding::ClusterHardware hardware_of(const ClusterFile& cluster) {
  if (cluster.hosts.empty())
    throw Error(ExitCode::kUsage,
                fmt::format("{} names no hosts to plan for: list them under 'hosts', each with its "
                            "'device'",
                            printable(cluster.path, 200)));
  sharding::ClusterHardware hardware;
  hardware.shared_disk = cluster.shared_disk.value_or(hardware.shared_disk);
  for (const ClusterHost& host : cluster.hosts) hardware.nodes.push_back(node_of(host, cluster));
  return hardware;
}

sharding::ClusterHardware hardware_named(const std::string& text) {
  const auto fail = [&] {
    throw Error(
        ExitCode::kUsage,
        fmt::format("--on is '{}': HOSTSxDEVICESxKIND is needed, as in 2x8xh100; kinds are {}",
                    printable(text),
                    listed(sharding::device_kind_names())));
  };
  std::vector<int> counts;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (counts.size() < 2 && at != end && *at >= '0' && *at <= '9') {
    int count = 0;
    const auto [next, error] = std::from_chars(at, end, count);
    if (error != std::errc() || next == end || *next != 'x' || count < 1 || count > kMostDevices)
      fail();
    counts.push_back(count);
    at = next + 1;
  }
  const auto kind = sharding::find_device_kind(std::string_view(at, static_cast<size_t>(end - at)));
  if (!kind || kind->memory == 0 || counts.size() > 2) fail();
  const int hosts = counts.size() == 2 ? counts[0] : 1;
  sharding::ClusterHardware hardware;
  for (int i = 1; i <= hosts; ++i)
    hardware.nodes.push_back({.name = fmt::format("host{}", i),
                              .devices = counts.empty() ? 1 : counts.back(),
                              .device = *kind});
  return hardware;
}

}  // namespace shoal::launch
