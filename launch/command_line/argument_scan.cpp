#include "launch/command_line/argument_scan.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "launch/command_line/nearest_name.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array kSingleDash = {
    Pair{"-np", "--parallel"},
    Pair{"-npl", "--npl"},
    Pair{"-hf", "--hf-repo"},
    Pair{"-hfr", "--hf-repo"},
    Pair{"-hff", "--hf-file"},
};

// Flags in users' fingers that cannot mean anything here, and what does.
constexpr std::string_view kPlacement =
    "experts and layers are placed by --ranks N, or --pp P --ep E";
constexpr std::string_view kKv = "the KV cache's type belongs to the backend: f32 on the CPU";
constexpr std::string_view kMapping =
    "weights are mapped, and each rank touches only the bytes it owns";
constexpr std::string_view kToken =
    "a token in an argument is seen by everybody on the machine: set HF_TOKEN";
constexpr std::array kForeign = {
    Pair{"-ngl", "--backend cpu or cuda decides where weights live; all of them go there"},
    Pair{"--gpu-layers", "--backend cpu or cuda decides where weights live; all of them go there"},
    Pair{"--n-gpu-layers",
         "--backend cpu or cuda decides where weights live; all of them go there"},
    Pair{"-sm", kPlacement},
    Pair{"--split-mode", kPlacement},
    Pair{"-ts", kPlacement},
    Pair{"--tensor-split", kPlacement},
    Pair{"-mg", kPlacement},
    Pair{"--main-gpu", kPlacement},
    Pair{"-ot", kPlacement},
    Pair{"--override-tensor", kPlacement},
    Pair{"-cmoe", kPlacement},
    Pair{"--cpu-moe", kPlacement},
    Pair{"-ncmoe", kPlacement},
    Pair{"--n-cpu-moe", kPlacement},
    Pair{"--tensor-parallel-size", kPlacement},
    Pair{"--tp", kPlacement},
    Pair{"--data-parallel-size", "sequences are spread over the ranks of a stage: use --ranks N"},
    Pair{"--enable-expert-parallel", "experts are always spread over ranks: use --ranks N"},
    Pair{"-fa", "there is one attention kernel, and it never stores the score matrix"},
    Pair{"--flash-attn", "there is one attention kernel, and it never stores the score matrix"},
    Pair{"-ctk", kKv},
    Pair{"--cache-type-k", kKv},
    Pair{"-ctv", kKv},
    Pair{"--cache-type-v", kKv},
    Pair{"--mlock", kMapping},
    Pair{"--no-mmap", kMapping},
    Pair{"-ub", "--batch-size sets how many tokens a rank takes in one step"},
    Pair{"--ubatch-size", "--batch-size sets how many tokens a rank takes in one step"},
    Pair{"-hft", kToken},
    Pair{"--hf-token", kToken},
    Pair{"--rpc", "workers join over MPI: use --ranks N, or --cluster FILE.yaml"},
};

template <size_t N>
std::string_view lookup(const std::array<Pair, N>& table, std::string_view key) {
  for (const auto& [name, value] : table)
    if (name == key) return value;
  return {};
}

class Scan {
 public:
  explicit Scan(std::span<const OptionSet::Flag> flags) : flags_(flags) {}

  // The argument as CLI11 should see it; sets takes_next when its value is the next argument.
  std::string flag(const std::string& argument, bool& takes_next) const {
    const std::string name = argument.substr(0, argument.find('='));
    const std::string_view foreign = lookup(kForeign, name);
    if (!foreign.empty() && find(name) == nullptr)
      throw Error(ExitCode::kUsage, fmt::format("{} has no meaning here: {}", name, foreign));
    const std::string_view long_name = lookup(kSingleDash, name);
    if (!long_name.empty() && find(std::string(long_name)) != nullptr)
      return flag(std::string(long_name) + argument.substr(name.size()), takes_next);
    if (const OptionSet::Flag* known = find(name)) {
      takes_next = known->takes_value && name.size() == argument.size();
      return argument;
    }
    const bool glued = argument.size() > 2 && argument[1] != '-' &&
                       find(argument.substr(0, 2)) != nullptr;  // -n64
    if (glued) return argument;
    throw Error(ExitCode::kUsage,
                fmt::format("unknown flag {}{}", printable(name), suggestion(name, spellings())));
  }

 private:
  const OptionSet::Flag* find(const std::string& typed) const {
    for (const OptionSet::Flag& flag : flags_) {
      if (!flag.long_name.empty() && typed == "--" + flag.long_name) return &flag;
      if (!flag.short_name.empty() && typed == "-" + flag.short_name) return &flag;
    }
    return nullptr;
  }
  std::vector<std::string> spellings() const {
    std::vector<std::string> names;
    for (const OptionSet::Flag& flag : flags_)
      if (!flag.long_name.empty()) names.push_back("--" + flag.long_name);
    return names;
  }

  std::span<const OptionSet::Flag> flags_;
};

}  // namespace

std::vector<std::string> scan_arguments(std::span<const std::string> arguments,
                                        std::span<const OptionSet::Flag> flags) {
  const Scan scan(flags);
  std::vector<std::string> scanned;
  bool is_value = false;
  for (const std::string& argument : arguments) {
    const bool is_flag = !is_value && argument.size() > 1 && argument[0] == '-';
    if (argument == "--" && !is_value) {
      scanned.insert(
          scanned.end(), arguments.begin() + static_cast<long>(scanned.size()), arguments.end());
      break;
    }
    is_value = false;
    scanned.push_back(is_flag ? scan.flag(argument, is_value) : argument);
  }
  return scanned;
}

}  // namespace shoal::launch
