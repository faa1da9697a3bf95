// Every sample cluster is planned for real headers. What the verdicts rest on is worked out in
// tests/unit/sharding/real_plans_test.cpp; here files, flags and both forms of the output meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>

#include "launch/cluster_hardware.h"
#include "launch/plan_report.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"
#include "tests/tools/model_set.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::launch {
namespace {

using testing::HasSubstr;

class SamplePlans : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const loader::testing::ScratchFolder folder;
    tools::write_model_set({.shape = "397b", .mix = "UD-Q4_K_XL"}, folder.path());
    files_ = std::make_unique<loader::ModelFiles>(loader::open_model(folder.path()));
    config_ = loader::parse_model_config(files_->metadata, files_->directory);
  }
  static void TearDownTestSuite() { files_.reset(); }

  struct Planned {
    sharding::ClusterHardware hardware;
    sharding::PlanWishes wishes;
    sharding::LayoutReport report;
    std::string text;
    nlohmann::ordered_json json;
  };
  static Planned plan(const std::string& sample) {
    const ClusterFile file = read_cluster_file(std::string(SHOAL_CLUSTER_CONFIGS) + "/" + sample);
    Planned out;
    out.hardware = hardware_of(file);
    out.wishes.widths = file.ep_per_stage();
    out.wishes.layers_per_stage = file.layers_per_stage();
    out.wishes.context = 32768;
    const sharding::ForecastInputs inputs{files_->directory, config_, out.hardware};
    out.report = search_layouts(inputs, out.wishes);
    const PlanSubject subject{inputs, out.wishes, out.report};
    out.text = plan_text(subject, PlanDetail::kExplained);
    out.json = plan_json(subject);
    return out;
  }

  static inline std::unique_ptr<loader::ModelFiles> files_;
  static inline loader::ModelConfig config_;
};

TEST_F(SamplePlans, EverySampleWithDevicesHasItsVerdict) {
  const std::map<std::string, std::string> wanted = {
      {"h100_node.yaml", "pp 1 x ep 8"},
      {"two_h100_nodes.yaml", "pp 2 x ep 8"},
      {"four_h100_nodes.yaml", "pp 4 x ep 8"},
      {"two_half_h200_nodes.yaml", "pp 2 x ep 4"},
      {"h200_node.yaml", "pp 1 x ep 8"},
      {"four_gb10_nodes.yaml", "pp 4 x ep 1"},
      {"unlike_nodes.yaml", "stages of 8 + 4"},
      {"two_nodes.yaml", "stages of 8 + 6"},
      {"one_rtx4090.yaml", "no"},
      {"cpu_node.yaml", "pp 1 x ep 2"},
  };
  // The running system's samples, which say a shape and no devices.
  std::set<std::string> others = {"one_machine.yaml", "slurm.yaml"};
  for (const auto& entry : std::filesystem::directory_iterator(SHOAL_CLUSTER_CONFIGS)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".yaml" || others.contains(name)) continue;
    ASSERT_TRUE(wanted.contains(name)) << name << " has no verdict here";
    const Planned planned = plan(name);
    const auto& layout = planned.json["layout"];
    EXPECT_EQ(layout.is_null() ? "no" : layout["name"].get<std::string>(), wanted.at(name)) << name;
  }
}

// The same numbers in both forms, and they add up.
TEST_F(SamplePlans, TablesAndJsonAgree) {
  const Planned planned = plan("two_h100_nodes.yaml");
  const auto& json = planned.json;
  EXPECT_TRUE(json["fits"]);
  ASSERT_EQ(json["ranks"].size(), 16u);
  uint64_t experts = 0;
  for (const auto& rank : json["ranks"]) {
    uint64_t weights = 0;
    for (const auto& [name, bytes] : rank["weights"].items()) weights += bytes.get<uint64_t>();
    EXPECT_EQ(weights, rank["weight_bytes"]);
    EXPECT_EQ(weights + rank["kv_bytes"].get<uint64_t>() + rank["state_bytes"].get<uint64_t>() +
                  rank["scratch_bytes"].get<uint64_t>() + rank["message_bytes"].get<uint64_t>(),
              rank["total_bytes"]);
    EXPECT_EQ(rank["total_bytes"].get<uint64_t>() + rank["free_bytes"].get<uint64_t>(),
              json["hosts"][0]["usable_bytes"]);
    experts += rank["weights"]["routed_expert"].get<uint64_t>();
  }
  EXPECT_EQ(experts, 234'360'930'304u);  // all of the file's, each once
  for (const char* part : {"layout: pp 2 x ep 8",
                           "gpu01",
                           "0-7",
                           "8-15",
                           "may die",
                           "assumptions",
                           "decode, one sequence",
                           "the shared disk",
                           "stages:\n  - {ep: 8"})
    EXPECT_THAT(planned.text, HasSubstr(part));
  EXPECT_EQ(json["nodes"].size(), 2u);
  EXPECT_EQ(json["sequences"][0]["context"], 4096);
  EXPECT_FALSE(json["assumptions"].empty());
  EXPECT_GT(json["forecast"]["decode_batch"]["tokens_per_second"], 0);
}

// What it prints for a cluster file asks for the same split.
TEST_F(SamplePlans, PrintedStagesGiveTheSamePlan) {
  const Planned planned = plan("unlike_nodes.yaml");
  const ClusterFile printed = parse_cluster_file(
      planned.text.substr(planned.text.find("stages:\n")) + "hosts: [gpu01, gpu02]\n", "printed");
  EXPECT_EQ(printed.ep_per_stage(), (std::vector<int>{8, 4}));
  const auto& chosen = planned.report.judged[static_cast<size_t>(planned.report.chosen)];
  EXPECT_EQ(printed.layers_per_stage(), chosen.cluster.layers_per_stage);
}

TEST_F(SamplePlans, ARefusalSaysWhyAndWhatWouldFit) {
  const Planned planned = plan("one_rtx4090.yaml");
  EXPECT_TRUE(planned.json["layout"].is_null());
  EXPECT_THAT(planned.text, HasSubstr("does not fit"));
  EXPECT_THAT(planned.text, HasSubstr("would fit: devices with"));
  EXPECT_THAT(planned.json["layouts"][0]["reason"].get<std::string>(), HasSubstr("rank 0 needs"));
}

TEST(ClusterHardware, ShortForms) {
  const auto two = hardware_named("2x8xh100");
  ASSERT_EQ(two.nodes.size(), 2u);
  EXPECT_EQ(two.nodes[1].devices, 8);
  EXPECT_EQ(two.nodes[1].name, "host2");
  EXPECT_EQ(hardware_named("4xh200").nodes[0].devices, 4);
  EXPECT_EQ(hardware_named("rtx4090").num_devices(), 1);
  for (const char* text : {"", "2x8x", "2x8xh101", "0xh100", "1x2x3xh100", "8h100", "cpu"})
    EXPECT_THROW(hardware_named(text), Error) << text;
}

TEST(ClusterHardware, ALimitARankIsKept) {
  const auto usable = [](const std::string& limit) {
    const ClusterFile file = parse_cluster_file(
        "hosts: [{name: a, device: h100}]\nranks: 1\nmemory_per_rank: " + limit + "\n", "c.yaml");
    return usable_memory(hardware_of(file).nodes[0].device);
  };
  EXPECT_EQ(usable("20GB"), 20'000'000'000u);
  EXPECT_EQ(usable("18446744073GB"), 78'900'000'000u);  // more than there is
}

TEST(ClusterHardware, AHostWithoutADeviceCannotBePlannedFor) {
  const auto complaint = [](const std::string& yaml) {
    try {
      hardware_of(parse_cluster_file(yaml, "c.yaml"));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(complaint("hosts: [a]\nranks: 2\n"), HasSubstr("needs a 'device'"));
  EXPECT_THAT(complaint("ranks: 2\n"), HasSubstr("names no hosts"));
  EXPECT_THAT(complaint("hosts: [{name: a, device: cpu}]\n"), HasSubstr("needs its 'memory'"));
}

}  // namespace
}  // namespace shoal::launch
