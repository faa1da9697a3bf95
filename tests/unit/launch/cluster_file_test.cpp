#include "launch/cluster_file.h"

#include <gmock/gmock.h>

#include "launch/rank_hosts.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string complaint(const std::string& yaml) {
  try {
    parse_cluster_file(yaml, "c.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

ClusterFile sample(const char* name) {
  return read_cluster_file(std::string(SHOAL_CLUSTER_CONFIGS) + "/" + name);
}

TEST(ClusterConfigs, OneMachine) {
  const ClusterFile cluster = sample("one_machine.yaml");
  EXPECT_THAT(cluster.ep_per_stage(), ElementsAre(3));
  EXPECT_EQ(cluster.launcher, "mpirun");
  EXPECT_EQ(cluster.backend, "cpu");
  EXPECT_EQ(cluster.context, 1024);
  EXPECT_EQ(cluster.max_sequences, 8);
  EXPECT_EQ(cluster.threads, 1);
  EXPECT_TRUE(hosts_of_ranks(cluster).empty());
}

TEST(ClusterConfigs, TwoNodesHaveUnequalWidths) {
  const ClusterFile cluster = sample("two_nodes.yaml");
  EXPECT_THAT(cluster.ep_per_stage(), ElementsAre(8, 6));
  EXPECT_THAT(cluster.hosts,
              ElementsAre(ClusterHost{"gpu01", 8, "h100"}, ClusterHost{"gpu02", 6, "h100"}));
  EXPECT_EQ(cluster.stages[1].host, "gpu02");
  EXPECT_EQ(cluster.memory_per_rank, 80'000'000'000u);
  std::vector<std::string> expected(8, "gpu01");
  expected.insert(expected.end(), 6, "gpu02");
  EXPECT_EQ(hosts_of_ranks(cluster), expected);
}

TEST(ClusterConfigs, Slurm) {
  const ClusterFile cluster = sample("slurm.yaml");
  EXPECT_THAT(cluster.ep_per_stage(), ElementsAre(8, 8));
  EXPECT_EQ(cluster.launcher, "slurm");
}

TEST(ClusterFile, NamesTheLineAndSuggests) {
  EXPECT_EQ(complaint("ranks: 2\ncontxt: 5\n"),
            "c.yaml:2: unknown key 'contxt' (did you mean 'context'?)");
  EXPECT_EQ(complaint("ranks: 2\nlauncher: mpirum\n"),
            "c.yaml:2: 'launcher' is 'mpirum': it must be one of mpirun, slurm, external (did you "
            "mean 'mpirun'?)");
  EXPECT_EQ(complaint("hosts: [a]\nstages:\n  - ep: 2\n    host: b\n"),
            "c.yaml:4: host 'b' is not in 'hosts' (did you mean 'a'?)");
}

TEST(ClusterFile, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(complaint("ranks: 2\npp: 2\n"), HasSubstr("say the shape once"));
  EXPECT_THAT(complaint("threads: 2\n"), HasSubstr("say the shape once"));
  EXPECT_THAT(complaint("ranks: 0\n"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(complaint("ranks: 2x\n"), HasSubstr("'2x'"));
  EXPECT_THAT(complaint("ranks: 99999999999999999999\n"), HasSubstr("a whole number from 1"));
  EXPECT_THAT(complaint("ranks: 2\nranks: 3\n"), HasSubstr("appears twice"));
  EXPECT_THAT(complaint("stages: 3\n"), HasSubstr("must be a list"));
  EXPECT_THAT(complaint("- a\n"), HasSubstr("must be a mapping"));
  EXPECT_THAT(complaint("ranks: [\n"), HasSubstr("not YAML"));
  EXPECT_THAT(complaint(""), HasSubstr("must be a mapping"));
  EXPECT_THAT(complaint("ranks: 2\nmemory_per_rank: lots\n"), HasSubstr("16GiB"));
  EXPECT_THAT(complaint("hosts: [a, a]\nranks: 2\n"), HasSubstr("appears twice"));
}

TEST(ClusterFile, HostsSayWhatPlansCountWith) {
  const ClusterFile cluster = parse_cluster_file(
      "hosts:\n  - {name: g, count: 2, slots: 8, device: h100, memory: 79GiB, bandwidth: "
      "3.35TB/s,\n"
      "     prefill: 60TFLOP/s, link: 450GB/s, network: 50GB/s, disk: 7GB/s, reserve: 2GiB}\n"
      "shared_disk: 20GB/s\n",
      "c.yaml");
  ASSERT_EQ(cluster.hosts.size(), 2u);
  const ClusterHost& host = cluster.hosts[1];
  EXPECT_EQ(host.name, "g2");
  EXPECT_EQ(host.memory, uint64_t{79} << 30);
  EXPECT_EQ(host.bandwidth, 3.35e12);
  EXPECT_EQ(host.prefill, 60e12);
  EXPECT_EQ(cluster.shared_disk, 20e9);
  EXPECT_TRUE(cluster.stages.empty());
  EXPECT_THAT(complaint("hosts:\n  - {name: g, device: h101}\n"), HasSubstr("did you mean 'h100'"));
  EXPECT_THAT(complaint("hosts:\n  - {name: g, device: h100, disk: fast}\n"), HasSubstr("25GB/s"));
  EXPECT_THAT(complaint("hosts: [g]\n"), HasSubstr("say the shape once"));
}

TEST(ClusterFile, StagesSayTheirLayersAllOrNone) {
  const ClusterFile cluster =
      parse_cluster_file("stages:\n  - {ep: 2, layers: 34}\n  - {ep: 1, layers: 26}\n", "c.yaml");
  EXPECT_THAT(cluster.ep_per_stage(), ElementsAre(2, 1));
  EXPECT_THAT(cluster.layers_per_stage(), ElementsAre(34, 26));
  EXPECT_THAT(complaint("stages:\n  - {ep: 2, layers: 34}\n  - {ep: 1}\n"),
              HasSubstr("every stage or for none"));
}

TEST(ParseRate, NeedsAUnitASecond) {
  EXPECT_EQ(parse_rate("3.35TB/s"), 3.35e12);
  EXPECT_EQ(parse_rate("500MB/s"), 500e6);
  EXPECT_EQ(parse_rate("72TFLOP/s", "FLOP"), 72e12);
  for (const char* text : {"3.35TB", "TB/s", "-1GB/s", "0GB/s", "nanGB/s", "1GFLOP/s", "1GB/s "})
    EXPECT_EQ(parse_rate(text), std::nullopt) << text;
}

TEST(ParseBytes, KnowsBothKindsOfUnits) {
  EXPECT_EQ(parse_bytes("512"), 512u);
  EXPECT_EQ(parse_bytes("16GiB"), uint64_t{16} << 30);
  EXPECT_EQ(parse_bytes("80GB"), 80'000'000'000u);
  EXPECT_EQ(parse_bytes("99999999999TiB"), std::nullopt);
  EXPECT_EQ(parse_bytes("GiB"), std::nullopt);
  EXPECT_EQ(parse_bytes("-1"), std::nullopt);
}

}  // namespace
}  // namespace shoal::launch
