// llama-bench's results, with our ranks and bytes beside them, as a table or for programs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shoal::launch {

struct BenchResult {
  int64_t n_prompt = 0, n_gen = 0;
  int n_parallel = 1;
  std::vector<double> samples_ts;  // tokens a second, one a repetition
  double bytes_per_token = 0;      // weight bytes that one token of decode reads; 0: not known

  std::string test() const;  // "pp512", "tg128", "tg128 x 8"
  double avg_ts() const;
  double stddev_ts() const;  // of the sample; 0 for one
};

struct BenchHead {
  std::string model_filename, model_type, backend, shape, build;
  std::string device;  // the GPU's name; empty on the CPU
  uint64_t model_size = 0, model_n_params = 0;
  int threads = 0, ranks = 1;
  double read_bandwidth = 0;  // measured, bytes a second
};

// Share of the measured bandwidth that a decode test's weight reads come to; 0: not known.
double bandwidth_share(const BenchHead& head, const BenchResult& result);

std::string bench_markdown(const BenchHead& head, const std::vector<BenchResult>& results);
std::string bench_csv(const BenchHead& head, const std::vector<BenchResult>& results);
std::string bench_json(const BenchHead& head, const std::vector<BenchResult>& results);

}  // namespace shoal::launch
