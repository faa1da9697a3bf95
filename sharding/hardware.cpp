#include "sharding/hardware.h"

#include <array>

namespace shoal::sharding {
namespace {

struct Known {
  const char* name;
  double memory_gb, bandwidth_tb, prefill_tflops;
  double reserve_gb;
  bool measured;
};
// Measured: copy rates of an H100 and an H200, and what shoal's prompts of 512 tokens come to on an
// H100 (docs/measurements/gpu_against_llama_cpp.md: 47 and 54 TFLOP/s). The others: nine tenths of
// the vendor's bandwidth, and the H100's prompts in proportion to the vendor's bf16 rates.
constexpr std::array kKnown = {
    Known{"h100", 80, 3.03, 50, 1.1, true},
    Known{"h200", 141, 4.29, 50, 1.1, true},
    Known{"a100", 80, 1.83, 16, 1.1, false},
    Known{"b200", 180, 7.2, 114, 1.1, false},
    Known{"rtx4090", 24, 0.9, 8.4, 1.1, false},
    // The operating system and everything else live in the same memory.
    Known{"gb10", 128, 0.245, 6.3, 12, false},
};

}  // namespace

std::optional<DeviceKind> find_device_kind(std::string_view name) {
  // Shares: docs/measurements/cpu_against_llama_cpp.md.
  if (name == "cpu")
    return DeviceKind{.name = "cpu",
                      .reserve = uint64_t{2} << 30,
                      .one_share = 0.85,
                      .batch_share = 0.85,
                      .layer_seconds = 0,
                      .measured = true};
  for (const Known& known : kKnown)
    if (name == known.name)
      return DeviceKind{.name = known.name,
                        .memory = static_cast<uint64_t>(known.memory_gb * 1e9),
                        .reserve = static_cast<uint64_t>(known.reserve_gb * 1e9),
                        .bandwidth = known.bandwidth_tb * 1e12,
                        .prefill_flops = known.prefill_tflops * 1e12,
                        .measured = known.measured};
  return std::nullopt;
}

std::vector<std::string> device_kind_names() {
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.emplace_back(known.name);
  names.emplace_back("cpu");
  return names;
}

int ClusterHardware::num_devices() const {
  int devices = 0;
  for (const NodeHardware& node : nodes) devices += node.devices;
  return devices;
}

uint64_t usable_memory(const DeviceKind& device) {
  return device.memory > device.reserve ? device.memory - device.reserve : 0;
}

}  // namespace shoal::sharding
