// Which devices make which pipeline stage. Pure values; whether the model fits is the planner's
// question.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sharding/hardware.h"
#include "sharding/planner.h"

namespace shoal::sharding {

struct StageSite {
  std::vector<int> nodes;  // of each rank of the stage, an index into ClusterHardware::nodes

  int ep() const { return static_cast<int>(nodes.size()); }
  bool crosses_nodes() const { return nodes.front() != nodes.back(); }  // nodes are in order
  bool operator==(const StageSite&) const = default;
};

struct Layout {
  std::vector<StageSite> stages;

  std::vector<int> widths() const;
  int num_ranks() const;
  bool operator==(const Layout&) const = default;
};

// "pp 2 x ep 8", or "stages of 8 + 6" for unequal widths; says so when a stage crosses nodes.
std::string layout_name(const Layout& layout);

// The layouts worth judging, none twice. First the rule: a stage on every node, experts spread
// inside it. Then the nodes cut into 2, 4, ... stages each, one stage across all nodes, fewer nodes
// (those with the most memory), and on a single node fewer devices. No layout has more than
// `max_stages`, the model's layers: of more nodes, those with the most memory.
std::vector<Layout> candidate_layouts(const ClusterHardware& hardware, int max_stages);

// Those of them that use every device they may, which hold the most.
std::vector<Layout> whole_layouts(const ClusterHardware& hardware, int max_stages);

// The stages `widths` laid on the devices in order; empty when there are too few devices.
std::optional<Layout> place_stages(const ClusterHardware& hardware, const std::vector<int>& widths);

// What a rank of each stage may use: the least of its devices.
std::vector<uint64_t> stage_memory(const ClusterHardware& hardware, const Layout& layout);

}  // namespace shoal::sharding
