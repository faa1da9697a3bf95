#include "launch/bench_table.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace shoal::launch {
namespace {

nlohmann::ordered_json to_json(const BenchHead& head, const BenchResult& result) {
  const double share = bandwidth_share(head, result);
  const double bytes_per_second = result.bytes_per_token * result.avg_ts();
  return {{"build", head.build},
          {"model_filename", head.model_filename},
          {"model_type", head.model_type},
          {"model_size", head.model_size},
          {"model_n_params", head.model_n_params},
          {"backend", head.backend},
          {"device", head.device},
          {"n_threads", head.threads},
          {"ranks", head.ranks},
          {"shape", head.shape},
          {"n_prompt", result.n_prompt},
          {"n_gen", result.n_gen},
          {"n_parallel", result.n_parallel},
          {"test", result.test()},
          {"avg_ts", result.avg_ts()},
          {"stddev_ts", result.stddev_ts()},
          {"samples_ts", result.samples_ts},
          {"weight_bytes_per_second", bytes_per_second},
          {"read_bandwidth", head.read_bandwidth},
          {"bandwidth_share", share}};
}

std::string quoted(const nlohmann::ordered_json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  for (size_t i = 0; (i = text.find('"', i)) != std::string::npos; i += 2) text.insert(i, 1, '"');
  return "\"" + text + "\"";
}

}  // namespace

std::string BenchResult::test() const {
  const std::string name = n_gen == 0 ? fmt::format("pp{}", n_prompt) : fmt::format("tg{}", n_gen);
  return n_parallel == 1 ? name : fmt::format("{} x {}", name, n_parallel);
}

double BenchResult::avg_ts() const {
  return std::accumulate(samples_ts.begin(), samples_ts.end(), 0.0) /
         static_cast<double>(samples_ts.size());
}

double BenchResult::stddev_ts() const {
  if (samples_ts.size() < 2) return 0;
  const double mean = avg_ts();
  double sum = 0;
  for (const double sample : samples_ts) sum += (sample - mean) * (sample - mean);
  return std::sqrt(sum / static_cast<double>(samples_ts.size() - 1));
}

double bandwidth_share(const BenchHead& head, const BenchResult& result) {
  return head.read_bandwidth > 0 ? result.bytes_per_token * result.avg_ts() / head.read_bandwidth
                                 : 0;
}

std::string bench_markdown(const BenchHead& head, const std::vector<BenchResult>& results) {
  std::string table =
      "| model                          |       size |     params | backend | threads | ranks | "
      "shape |          test |                  t/s |  weights GB/s |\n"
      "| ------------------------------ | ---------: | ---------: | ------- | ------: | ----: | "
      "----- | ------------: | -------------------: | ------------: |\n";
  for (const BenchResult& result : results) {
    std::string bytes;
    if (result.bytes_per_token > 0)
      bytes = fmt::format("{:.2f} ({:.0f} %)",
                          result.bytes_per_token * result.avg_ts() / 1e9,
                          100 * bandwidth_share(head, result));
    table += fmt::format(
        "| {:<30} | {:>6.2f} MiB | {:>8.2f} M | {:<7} | {:>7} | {:>5} | {:<5} | {:>13} | {:>20} | "
        "{:>13} |\n",
        head.model_type.substr(0, 30),
        static_cast<double>(head.model_size) / (1 << 20),
        static_cast<double>(head.model_n_params) / 1e6,
        head.backend,
        head.threads,
        head.ranks,
        head.shape,
        result.test(),
        fmt::format("{:.2f} ± {:.2f}", result.avg_ts(), result.stddev_ts()),
        bytes);
  }
  table += '\n';
  if (!head.device.empty()) table += fmt::format("device: {}\n", head.device);
  if (head.read_bandwidth > 0)
    table += fmt::format("memory of this machine, read by {} threads: {:.2f} GB/s\n",
                         head.threads * head.ranks,
                         head.read_bandwidth / 1e9);
  return table + fmt::format("build: {}\n", head.build);
}

std::string bench_csv(const BenchHead& head, const std::vector<BenchResult>& results) {
  std::string text;
  for (const BenchResult& result : results) {
    const nlohmann::ordered_json row = to_json(head, result);
    std::string names, values;
    for (const auto& [name, value] : row.items()) {
      if (name == "samples_ts") continue;
      names += (names.empty() ? "" : ",") + name;
      values += (values.empty() ? "" : ",") + quoted(value);
    }
    if (text.empty()) text = names + "\n";
    text += values + "\n";
  }
  return text;
}

std::string bench_json(const BenchHead& head, const std::vector<BenchResult>& results) {
  auto list = nlohmann::ordered_json::array();
  for (const BenchResult& result : results) list.push_back(to_json(head, result));
  return list.dump(2) + "\n";
}

}  // namespace shoal::launch
