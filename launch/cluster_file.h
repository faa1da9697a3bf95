// A cluster as a YAML file: hosts, pipeline stages with their expert-parallel widths, and defaults
// of flags. Strict: an unknown key is an error with its line. Format: cluster_configs/README.md.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::launch {

struct ClusterHost {
  std::string name;
  int slots = 0;       // ranks it can hold; 0: not said
  std::string device;  // a kind that sharding/hardware.h knows; empty: not said
  // What `shoal plan` counts with, instead of the kind's.
  std::optional<uint64_t> memory, reserve;
  std::optional<double> bandwidth, prefill;   // bytes a second, FLOP a second
  std::optional<double> link, network, disk;  // bytes a second
  bool operator==(const ClusterHost&) const = default;
};

struct ClusterStage {
  int ep = 1;
  int layers = 0;    // 0: its even part
  std::string host;  // empty: wherever the launcher puts it
  bool operator==(const ClusterStage&) const = default;
};

struct ClusterFile {
  std::string path;
  std::vector<ClusterHost> hosts;    // empty: this machine
  std::vector<ClusterStage> stages;  // empty: `shoal plan` chooses them for the hosts' devices
  std::optional<std::string> launcher, backend;
  std::optional<std::string> control_host;  // this machine's address, for workers elsewhere
  std::optional<std::string> launch_agent;  // what mpirun runs instead of ssh
  std::optional<std::string> interface;     // network interface or CIDR block that ranks talk over
  std::optional<int64_t> context;
  std::optional<int> threads, max_sequences;
  std::optional<uint64_t> memory_per_rank;
  std::optional<double> shared_disk;  // bytes a second

  std::vector<int> ep_per_stage() const;
  std::vector<int> layers_per_stage() const;  // empty: not said
};

// Pure. Throws Error (usage) "PATH:LINE: ..." for anything it does not understand.
ClusterFile parse_cluster_file(std::string_view yaml, const std::string& path);
ClusterFile read_cluster_file(const std::string& path);

// "16GiB", "512MB", "123": bytes. Empty when it is none of these.
std::optional<uint64_t> parse_bytes(std::string_view text);

// "3.35TB/s", "500MB/s", and "72TFLOP/s" where `unit` is "FLOP": a second. Empty for other forms.
std::optional<double> parse_rate(std::string_view text, std::string_view unit = "B");

}  // namespace shoal::launch
