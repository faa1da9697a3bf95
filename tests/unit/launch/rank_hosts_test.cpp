#include "launch/rank_hosts.h"

#include <gmock/gmock.h>

#include "launch/control_address.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> hosts_of(const std::string& yaml) {
  return hosts_of_ranks(parse_cluster_file(yaml, "c.yaml"));
}

std::string complaint(const std::string& yaml) {
  try {
    hosts_of(yaml);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(RankHosts, NoHostsMeansThisMachine) { EXPECT_THAT(hosts_of("ranks: 3\n"), IsEmpty()); }

TEST(RankHosts, OneStageIsSpreadEvenly) {
  EXPECT_THAT(hosts_of("hosts: [a, b]\nranks: 4\n"), ElementsAre("a", "a", "b", "b"));
  EXPECT_THAT(hosts_of("hosts: [a, b]\nranks: 3\n"), ElementsAre("a", "a", "b"));
  EXPECT_THAT(hosts_of("hosts: [a, b, c]\nranks: 2\n"), ElementsAre("a", "b"));
}

TEST(RankHosts, StagesKeepTogether) {
  EXPECT_THAT(hosts_of("hosts: [a, b]\npp: 2\nep: 2\n"), ElementsAre("a", "a", "b", "b"));
  EXPECT_THAT(hosts_of("hosts:\n  - {name: a, slots: 3}\n  - {name: b, slots: 4}\npp: 3\nep: 2\n"),
              ElementsAre("a", "a", "b", "b", "b", "b"));
  // No host holds the second stage alone.
  EXPECT_THAT(hosts_of("hosts:\n  - {name: a, slots: 3}\n  - {name: b, slots: 1}\npp: 2\nep: 2\n"),
              ElementsAre("a", "a", "a", "b"));
}

TEST(RankHosts, AStageIsWhereTheFileSays) {
  EXPECT_THAT(hosts_of("hosts: [a, b]\nstages:\n  - {ep: 2, host: b}\n  - {ep: 1, host: a}\n"),
              ElementsAre("b", "b", "a"));
  EXPECT_THAT(hosts_of("hosts: [a, b]\nstages:\n  - {ep: 1}\n  - {ep: 1, host: a}\n"),
              ElementsAre("b", "a"));
}

TEST(RankHosts, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(complaint("hosts:\n  - {name: a, slots: 1}\n  - {name: b, slots: 1}\nranks: 3\n"),
              HasSubstr("3 ranks do not fit on 2 hosts: 1 have no slot"));
  EXPECT_THAT(complaint("hosts:\n  - {name: a, slots: 2}\nstages:\n  - {ep: 3, host: a}\n"),
              HasSubstr("more than its 2 slots"));
}

TEST(ControlAddress, OfThisMachineIsLoopback) {
  EXPECT_EQ(address_towards({"127.0.0.1"}), "127.0.0.1");
  EXPECT_EQ(with_port("10.0.0.1", 5), "10.0.0.1:5");
  EXPECT_EQ(with_port("fe80::1", 5), "[fe80::1]:5");
}

TEST(ControlAddress, ANameWithoutAddressIsRefused) {
  try {
    address_towards({"no-such-host.invalid"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--control-host"));
  }
}

}  // namespace
}  // namespace shoal::launch
