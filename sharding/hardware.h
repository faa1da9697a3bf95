// The machines a model is planned for, as their owner describes them. Rates are bytes a second in
// one direction, powers of 1000. Values only; where a number is not said, a kind of device or
// `kDefault...` stands in, and the plan prints which.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::sharding {

// What one rank runs on: a GPU, or the whole of a unified-memory machine, or a CPU socket.
struct DeviceKind {
  std::string name = "device";
  uint64_t memory = 0;
  uint64_t reserve = uint64_t{1} << 30;  // the driver's, recorded steps', the exchange library's
  double bandwidth = 0;                  // of memory, as a copy moves it (read + written)
  double prefill_flops = 0;              // what shoal's prompt kernels reach, multiply and add
  double one_share = 0.71;               // of `bandwidth`, that a lone sequence's steps reach
  double batch_share = 0.55;             // and steps of several sequences
  double layer_seconds = 38e-6;          // launches and waits of a layer, whatever it does
  bool measured = false;                 // false: from the vendor's figures
};

// "h100", "h200", "a100", "b200", "rtx4090", "gb10", and "cpu", of which only shares are known;
// empty for others.
std::optional<DeviceKind> find_device_kind(std::string_view name);
std::vector<std::string> device_kind_names();

inline constexpr double kDefaultLink = 100e9;      // device to device inside a node
inline constexpr double kDefaultNetwork = 12.5e9;  // a node's, to the others
inline constexpr double kDefaultDisk = 5e9;        // shared by all nodes

struct NodeHardware {
  std::string name;
  int devices = 1;
  DeviceKind device;
  double link = kDefaultLink;
  double network = kDefaultNetwork;
  double disk = 0;  // its own; 0: it reads from the shared one
};

struct ClusterHardware {
  std::vector<NodeHardware> nodes;
  double shared_disk = kDefaultDisk;

  int num_devices() const;
};

// Memory that a rank on this device may use.
uint64_t usable_memory(const DeviceKind& device);

}  // namespace shoal::sharding
