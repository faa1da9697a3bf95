#include "launch/cluster_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "launch/command_line/nearest_name.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "sharding/hardware.h"

namespace shoal::launch {
namespace {

constexpr int64_t kMaxRanks = 4096;
constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int64_t kMaxThreads = 4096;
constexpr int64_t kMaxLayers = 4096;

// Reads one mapping: typed access to its keys, and complaints with a line number.
class Mapping {
 public:
  Mapping(const YAML::Node& node, const std::string& path, const char* what)
      : node_(node), path_(path) {
    if (!node.IsMap()) fail(node, fmt::format("{} must be a mapping of keys to values", what));
  }

  [[noreturn]] void fail(const YAML::Node& at, const std::string& message) const {
    throw Error(ExitCode::kUsage,
                fmt::format("{}:{}: {}", printable(path_, 200), at.Mark().line + 1, message));
  }

  void allow_only(const std::vector<std::string>& known) const {
    std::set<std::string> seen;
    for (const auto& pair : node_) {
      const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail(pair.first, fmt::format("unknown key '{}'{}", printable(key), suggestion(key, known)));
      if (!seen.insert(key).second) fail(pair.first, fmt::format("key '{}' appears twice", key));
    }
  }

  YAML::Node child(const char* key) const { return node_[key]; }
  bool has(const char* key) const { return child(key).IsDefined(); }

  std::string text(const char* key) const {
    const YAML::Node value = child(key);
    if (!value.IsScalar() || value.Scalar().empty())
      fail(value, fmt::format("'{}' must be one word", key));
    return value.Scalar();
  }
  int64_t number(const char* key, int64_t max) const {
    const YAML::Node value = child(key);
    const std::string text = value.IsScalar() ? value.Scalar() : "";
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > max)
      fail(value,
           fmt::format(
               "'{}' is '{}': a whole number from 1 to {} is needed", key, printable(text), max));
    return number;
  }
  std::optional<uint64_t> bytes(const char* key) const {
    if (!has(key)) return std::nullopt;
    const auto bytes = parse_bytes(text(key));
    if (!bytes)
      fail(child(key),
           fmt::format("'{}' is '{}': a size such as 16GiB is needed", key, printable(text(key))));
    return bytes;
  }
  std::optional<double> rate(const char* key, const char* unit = "B") const {
    if (!has(key)) return std::nullopt;
    const auto rate = parse_rate(text(key), unit);
    if (!rate)
      fail(child(key),
           fmt::format(
               "'{}' is '{}': a rate such as 25G{}/s is needed", key, printable(text(key)), unit));
    return rate;
  }
  std::string one_of(const char* key, const std::vector<std::string>& known) const {
    const std::string word = text(key);
    if (std::find(known.begin(), known.end(), word) == known.end())
      fail(child(key),
           fmt::format("'{}' is '{}': it must be one of {}{}",
                       key,
                       printable(word),
                       listed(known),
                       suggestion(word, known)));
    return word;
  }
  const YAML::Node& node() const { return node_; }

 private:
  YAML::Node node_;
  std::string path_;
};

ClusterHost read_host(const Mapping& mapping) {
  ClusterHost host;
  host.name = mapping.text("name");
  if (mapping.has("slots")) host.slots = static_cast<int>(mapping.number("slots", kMaxRanks));
  if (mapping.has("device")) host.device = mapping.one_of("device", sharding::device_kind_names());
  host.memory = mapping.bytes("memory");
  host.reserve = mapping.bytes("reserve");
  host.bandwidth = mapping.rate("bandwidth");
  host.prefill = mapping.rate("prefill", "FLOP");
  host.link = mapping.rate("link");
  host.network = mapping.rate("network");
  host.disk = mapping.rate("disk");
  return host;
}

std::vector<ClusterHost> read_hosts(const Mapping& top, const std::string& path) {
  const YAML::Node list = top.child("hosts");
  if (!list.IsSequence() || list.size() == 0) top.fail(list, "'hosts' must be a list of hosts");
  std::vector<ClusterHost> hosts;
  const auto add = [&](const YAML::Node& item, const ClusterHost& host) {
    const bool known = std::any_of(
        hosts.begin(), hosts.end(), [&](const ClusterHost& h) { return h.name == host.name; });
    if (known) top.fail(item, fmt::format("host '{}' appears twice", printable(host.name)));
    hosts.push_back(host);
  };
  for (const YAML::Node& item : list) {
    if (item.IsScalar()) {
      add(item, {.name = item.Scalar()});
      continue;
    }
    const Mapping mapping(item, path, "a host");
    mapping.allow_only({"name",
                        "count",
                        "slots",
                        "device",
                        "memory",
                        "reserve",
                        "bandwidth",
                        "prefill",
                        "link",
                        "network",
                        "disk"});
    if (!mapping.has("name")) mapping.fail(item, "a host needs a 'name'");
    const ClusterHost host = read_host(mapping);
    if (!mapping.has("count")) {
      add(item, host);
      continue;
    }
    // NAME1, NAME2, ...
    const int64_t count = mapping.number("count", kMaxRanks);
    for (int64_t i = 1; i <= count; ++i) {
      ClusterHost each = host;
      each.name += std::to_string(i);
      add(item, each);
    }
  }
  return hosts;
}

ClusterStage read_stage(const YAML::Node& item,
                        const std::string& path,
                        const std::vector<ClusterHost>& hosts) {
  const Mapping mapping(item, path, "a stage");
  mapping.allow_only({"ep", "host", "layers"});
  if (!mapping.has("ep")) mapping.fail(item, "a stage needs 'ep', the number of its ranks");
  ClusterStage stage;
  stage.ep = static_cast<int>(mapping.number("ep", kMaxRanks));
  if (mapping.has("layers")) stage.layers = static_cast<int>(mapping.number("layers", kMaxLayers));
  if (!mapping.has("host")) return stage;
  stage.host = mapping.text("host");
  std::vector<std::string> names;
  for (const ClusterHost& host : hosts) names.push_back(host.name);
  if (std::find(names.begin(), names.end(), stage.host) == names.end())
    mapping.fail(
        mapping.child("host"),
        fmt::format(
            "host '{}' is not in 'hosts'{}", printable(stage.host), suggestion(stage.host, names)));
  return stage;
}

std::vector<ClusterStage> read_stages(const Mapping& top,
                                      const std::string& path,
                                      const std::vector<ClusterHost>& hosts) {
  const int ways =
      int{top.has("ranks")} + int{top.has("pp") || top.has("ep")} + int{top.has("stages")};
  const bool has_devices = std::any_of(
      hosts.begin(), hosts.end(), [](const ClusterHost& host) { return !host.device.empty(); });
  if (ways == 0 && has_devices) return {};
  if (ways != 1) top.fail(top.node(), "say the shape once: 'ranks', or 'pp' and 'ep', or 'stages'");
  if (top.has("ranks")) return {{.ep = static_cast<int>(top.number("ranks", kMaxRanks))}};
  if (!top.has("stages")) {
    const int64_t pp = top.has("pp") ? top.number("pp", kMaxRanks) : 1;
    const int64_t ep = top.has("ep") ? top.number("ep", kMaxRanks) : 1;
    return std::vector<ClusterStage>(static_cast<size_t>(pp), {.ep = static_cast<int>(ep)});
  }
  const YAML::Node list = top.child("stages");
  if (!list.IsSequence() || list.size() == 0) top.fail(list, "'stages' must be a list of stages");
  std::vector<ClusterStage> stages;
  for (const YAML::Node& item : list) stages.push_back(read_stage(item, path, hosts));
  const auto with_layers = std::count_if(
      stages.begin(), stages.end(), [](const ClusterStage& stage) { return stage.layers > 0; });
  if (with_layers != 0 && with_layers != static_cast<std::ptrdiff_t>(stages.size()))
    top.fail(list, "'layers' must be said for every stage or for none");
  return stages;
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  constexpr std::array<std::pair<std::string_view, uint64_t>, 9> kSuffixes = {{
      {"", 1},
      {"kB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"TB", 1'000'000'000'000},
      {"KiB", uint64_t{1} << 10},
      {"MiB", uint64_t{1} << 20},
      {"GiB", uint64_t{1} << 30},
      {"TiB", uint64_t{1} << 40},
  }};
  for (const auto& [name, unit] : kSuffixes) {
    if (suffix != name) continue;
    if (number > UINT64_MAX / unit) return std::nullopt;
    return number * unit;
  }
  return std::nullopt;
}

std::optional<double> parse_rate(std::string_view text, std::string_view unit) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number > 0) || number > 1e30) return std::nullopt;
  std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  constexpr std::array<std::pair<char, double>, 5> kPrefixes = {
      {{'k', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}, {'P', 1e15}}};
  for (const auto& [letter, factor] : kPrefixes)
    if (suffix.starts_with(letter)) {
      number *= factor;
      suffix.remove_prefix(1);
      break;
    }
  if (!suffix.starts_with(unit) || suffix.substr(unit.size()) != "/s") return std::nullopt;
  return number;
}

std::vector<int> ClusterFile::layers_per_stage() const {
  std::vector<int> layers;
  for (const ClusterStage& stage : stages)
    if (stage.layers > 0) layers.push_back(stage.layers);
  return layers;
}

std::vector<int> ClusterFile::ep_per_stage() const {
  std::vector<int> widths;
  for (const ClusterStage& stage : stages) widths.push_back(stage.ep);
  return widths;
}

ClusterFile parse_cluster_file(std::string_view yaml, const std::string& path) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(yaml));
  } catch (const YAML::Exception& error) {
    throw Error(ExitCode::kUsage,
                fmt::format("{}:{}: not YAML: {}",
                            printable(path, 200),
                            error.mark.line + 1,
                            printable(error.msg, 120)));
  }
  const Mapping top(root, path, "a cluster file");
  top.allow_only({"hosts",
                  "ranks",
                  "pp",
                  "ep",
                  "stages",
                  "launcher",
                  "launch_agent",
                  "interface",
                  "control_host",
                  "backend",
                  "context",
                  "threads",
                  "max_sequences",
                  "memory_per_rank",
                  "shared_disk"});
  ClusterFile cluster;
  cluster.path = path;
  if (top.has("hosts")) cluster.hosts = read_hosts(top, path);
  cluster.stages = read_stages(top, path, cluster.hosts);
  if (top.has("launcher"))
    cluster.launcher = top.one_of("launcher", {"mpirun", "slurm", "external"});
  if (top.has("launch_agent")) cluster.launch_agent = top.text("launch_agent");
  if (top.has("interface")) cluster.interface = top.text("interface");
  if (top.has("control_host")) cluster.control_host = top.text("control_host");
  if (top.has("backend")) cluster.backend = top.one_of("backend", {"auto", "cpu", "cuda"});
  if (top.has("context")) cluster.context = top.number("context", kMaxContext);
  if (top.has("threads")) cluster.threads = static_cast<int>(top.number("threads", kMaxThreads));
  if (top.has("max_sequences"))
    cluster.max_sequences = static_cast<int>(top.number("max_sequences", kMaxRanks));
  cluster.memory_per_rank = top.bytes("memory_per_rank");
  cluster.shared_disk = top.rate("shared_disk");
  return cluster;
}

ClusterFile read_cluster_file(const std::string& path) {
  return parse_cluster_file(read_text_file(path, "cluster file"), path);
}

}  // namespace shoal::launch
