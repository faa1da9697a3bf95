#include "sharding/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace shoal::sharding {
namespace {

constexpr int kMostStagesANode = 8;
// Of many nodes, only the loss of a few is looked at.
constexpr size_t kMostFewerNodes = 8;

// Each of `nodes` as `split` stages of about equal width; nodes of fewer devices as fewer.
Layout split_nodes(const ClusterHardware& hardware, const std::vector<int>& nodes, int split) {
  Layout layout;
  for (const int node : nodes) {
    const int devices = hardware.nodes[static_cast<size_t>(node)].devices;
    const int stages = std::min(split, devices);
    for (int stage = 0; stage < stages; ++stage) {
      const int width = devices / stages + (stage < devices % stages ? 1 : 0);
      layout.stages.push_back({std::vector<int>(static_cast<size_t>(width), node)});
    }
  }
  return layout;
}

Layout one_stage(const ClusterHardware& hardware) {
  StageSite stage;
  for (size_t node = 0; node < hardware.nodes.size(); ++node)
    stage.nodes.insert(stage.nodes.end(),
                       static_cast<size_t>(hardware.nodes[node].devices),
                       static_cast<int>(node));
  return {{stage}};
}

// At most `count` nodes, those with the most memory (the first of those alike), in their order.
std::vector<int> largest_nodes(const ClusterHardware& hardware, size_t count) {
  std::vector<int> nodes(hardware.nodes.size());
  std::iota(nodes.begin(), nodes.end(), 0);
  const auto memory = [&](int index) {
    const NodeHardware& node = hardware.nodes[static_cast<size_t>(index)];
    return static_cast<uint64_t>(node.devices) * usable_memory(node.device);
  };
  std::stable_sort(nodes.begin(), nodes.end(), [&](int a, int b) { return memory(a) > memory(b); });
  nodes.resize(std::min(nodes.size(), count));
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

std::vector<int> Layout::widths() const {
  std::vector<int> widths;
  for (const StageSite& stage : stages) widths.push_back(stage.ep());
  return widths;
}

int Layout::num_ranks() const {
  const std::vector<int> all = widths();
  return std::accumulate(all.begin(), all.end(), 0);
}

std::string layout_name(const Layout& layout) {
  const std::vector<int> widths = layout.widths();
  const bool crosses = std::any_of(layout.stages.begin(),
                                   layout.stages.end(),
                                   [](const StageSite& stage) { return stage.crosses_nodes(); });
  std::string name;
  if (std::adjacent_find(widths.begin(), widths.end(), std::not_equal_to<>()) == widths.end()) {
    name = fmt::format("pp {} x ep {}", widths.size(), widths.front());
  } else {
    name = "stages of ";
    for (size_t i = 0; i < widths.size(); ++i)
      name += fmt::format("{}{}", i == 0 ? "" : " + ", widths[i]);
  }
  return name + (crosses ? ", a stage across nodes" : "");
}

std::vector<Layout> whole_layouts(const ClusterHardware& hardware, int max_stages) {
  const std::vector<int> nodes = largest_nodes(hardware, static_cast<size_t>(max_stages));
  std::vector<Layout> layouts;
  for (int split = 1; split <= kMostStagesANode; split *= 2) {
    Layout layout = split_nodes(hardware, nodes, split);
    if (static_cast<int>(layout.stages.size()) > max_stages) break;
    if (!layouts.empty() && layout == layouts.back()) break;
    layouts.push_back(std::move(layout));
  }
  if (hardware.nodes.size() > 1) layouts.push_back(one_stage(hardware));
  return layouts;
}

std::vector<Layout> candidate_layouts(const ClusterHardware& hardware, int max_stages) {
  std::vector<Layout> layouts = whole_layouts(hardware, max_stages);
  const size_t whole = std::min(hardware.nodes.size(), static_cast<size_t>(max_stages));
  for (size_t fewer = 1; fewer < whole && fewer <= kMostFewerNodes; ++fewer)
    layouts.push_back(split_nodes(hardware, largest_nodes(hardware, whole - fewer), 1));
  if (hardware.nodes.size() == 1)
    for (int devices = hardware.nodes[0].devices / 2; devices >= 1; devices /= 2) {
      ClusterHardware part = hardware;
      part.nodes[0].devices = devices;
      layouts.push_back(one_stage(part));
    }
  return layouts;
}

std::optional<Layout> place_stages(const ClusterHardware& hardware,
                                   const std::vector<int>& widths) {
  const std::vector<int> devices = one_stage(hardware).stages[0].nodes;
  Layout layout;
  size_t next = 0;
  for (const int width : widths) {
    if (width < 1 || next + static_cast<size_t>(width) > devices.size()) return std::nullopt;
    const auto first = devices.begin() + static_cast<std::ptrdiff_t>(next);
    layout.stages.push_back({std::vector<int>(first, first + width)});
    next += static_cast<size_t>(width);
  }
  return layout;
}

std::vector<uint64_t> stage_memory(const ClusterHardware& hardware, const Layout& layout) {
  std::vector<uint64_t> memory;
  for (const StageSite& stage : layout.stages) {
    uint64_t least = std::numeric_limits<uint64_t>::max();
    for (const int node : stage.nodes)
      least = std::min(least, usable_memory(hardware.nodes[static_cast<size_t>(node)].device));
    memory.push_back(least);
  }
  return memory;
}

}  // namespace shoal::sharding
