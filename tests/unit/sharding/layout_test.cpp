#include "sharding/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::sharding {
namespace {

using testing::ElementsAre;

ClusterHardware nodes_of(const std::vector<int>& devices) {
  ClusterHardware hardware;
  for (const int count : devices)
    hardware.nodes.push_back({.name = "n", .devices = count, .device = *find_device_kind("h100")});
  return hardware;
}

std::vector<std::string> names(const std::vector<Layout>& layouts) {
  std::vector<std::string> out;
  for (const Layout& layout : layouts) out.push_back(layout_name(layout));
  return out;
}

TEST(Layouts, TheRuleComesFirst) {
  EXPECT_THAT(names(candidate_layouts(nodes_of({8, 8}), 60)),
              ElementsAre("pp 2 x ep 8",
                          "pp 4 x ep 4",
                          "pp 8 x ep 2",
                          "pp 16 x ep 1",
                          "pp 1 x ep 16, a stage across nodes",
                          "pp 1 x ep 8"));
}

TEST(Layouts, OneNodeMayUseFewerDevices) {
  EXPECT_THAT(
      names(candidate_layouts(nodes_of({4}), 60)),
      ElementsAre("pp 1 x ep 4", "pp 2 x ep 2", "pp 4 x ep 1", "pp 1 x ep 2", "pp 1 x ep 1"));
  EXPECT_THAT(names(candidate_layouts(nodes_of({1}), 60)), ElementsAre("pp 1 x ep 1"));
}

TEST(Layouts, UnlikeNodesGiveUnequalWidths) {
  EXPECT_THAT(names(whole_layouts(nodes_of({8, 3}), 60)),
              ElementsAre("stages of 8 + 3",
                          "stages of 4 + 4 + 2 + 1",
                          "stages of 2 + 2 + 2 + 2 + 1 + 1 + 1",
                          "pp 11 x ep 1",
                          "pp 1 x ep 11, a stage across nodes"));
}

TEST(Layouts, NoMoreStagesThanLayers) {
  // Of five nodes the four largest, in their order; two stages a node would be eight.
  const auto layouts = whole_layouts(nodes_of({2, 4, 4, 4, 4}), 4);
  ASSERT_EQ(layouts.size(), 2u);
  EXPECT_EQ(layout_name(layouts[0]), "pp 4 x ep 4");
  EXPECT_EQ(layouts[0].stages[0].nodes.front(), 1);
}

TEST(Layouts, ToldStagesTakeDevicesInOrder) {
  const ClusterHardware hardware = nodes_of({4, 2});
  const auto layout = place_stages(hardware, {3, 3});
  ASSERT_TRUE(layout);
  EXPECT_THAT(layout->stages[0].nodes, ElementsAre(0, 0, 0));
  EXPECT_THAT(layout->stages[1].nodes, ElementsAre(0, 1, 1));
  EXPECT_TRUE(layout->stages[1].crosses_nodes());
  EXPECT_FALSE(place_stages(hardware, {4, 3}));
  EXPECT_FALSE(place_stages(hardware, {4, 0}));
}

TEST(Layouts, AStageMayUseTheLeastOfItsDevices) {
  ClusterHardware hardware = nodes_of({1, 1});
  hardware.nodes[1].device.memory = 10;
  hardware.nodes[1].device.reserve = 4;
  EXPECT_THAT(stage_memory(hardware, *place_stages(hardware, {2})), ElementsAre(6u));
  EXPECT_THAT(stage_memory(hardware, *place_stages(hardware, {1, 1})),
              ElementsAre(80'000'000'000u - 1'100'000'000u, 6u));
  EXPECT_EQ(usable_memory({.memory = 3, .reserve = 4}), 0u);
}

}  // namespace
}  // namespace shoal::sharding
