// Rates of the matrix products: products a second (GMAC/s) and weight bytes a second, beside what
// plain reading of memory gives on this machine. Arguments: columns, activation rows; the rows of
// the matrix are chosen so that the weights take 64 MiB (far beyond caches) or, for `small`, 256.
//   SHOAL_THREADS=1 matmul_bench --benchmark_filter=q4_K
// Experts: hidden and intermediate size, experts, rows each.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/instruction_set.h"
#include "runtime/base/env.h"

namespace shoal::kernels {
namespace {

constexpr int64_t kWeightBytes = 64 << 20;

// SHOAL_THREADS, else all cores.
int num_threads() {
  const auto text = env_flag("threads");
  return text ? std::stoi(*text) : static_cast<int>(std::thread::hardware_concurrency());
}

ThreadPool& pool() {
  static ThreadPool pool(num_threads());
  return pool;
}

// Bytes that decode to ordinary numbers in every type: f16 fields stay finite, and the exponents of
// MXFP4 are set, because subnormal sums would be slow.
std::vector<std::byte> weight_bytes(DType dtype, int64_t count) {
  std::vector<std::byte> bytes(static_cast<size_t>(count));
  std::minstd_rand random(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random() >> 8 & 0x3b);
  if (dtype == DType::kMXFP4)
    for (size_t i = 0; i < bytes.size(); i += 17) bytes[i] = std::byte{120};
  return bytes;
}

struct ActivationMemory {
  std::vector<float> floats;
  std::vector<std::byte> values;
  std::vector<float> scales, sums;
  ActivationRows rows;

  ActivationMemory(ActivationFormat format, int64_t num_rows, int64_t cols) {
    floats.resize(num_rows * cols);
    std::minstd_rand random(2);
    for (float& x : floats) x = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    rows = {.format = format, .rows = num_rows, .cols = cols, .values = floats.data()};
    if (format == ActivationFormat::kF32) return;
    values.resize(floats.size() * 2);
    scales.resize(floats.size() / kActivationBlock);
    sums.resize(scales.size());
    cpu::quantize_rows({.rows = view_f32(floats.data(), num_rows, cols),
                        .format = format,
                        .values = values.data(),
                        .scales = scales.data(),
                        .sums = sums.data()},
                       Exec{.pool = &pool()});
    rows.values = values.data();
    rows.scales = scales.data();
    rows.sums = sums.data();
  }
};

void count_work(benchmark::State& state, double products, double bytes) {
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["GMAC/s"] =
      benchmark::Counter(products * rounds / 1e9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(bytes * rounds / 1e9, benchmark::Counter::kIsRate);
}

// The products of one instruction set.
struct Ops {
  const char* name;
  Kernel<MatmulParams> matmul;
  Kernel<ExpertMlpParams> expert_mlp;
};

std::vector<Ops> runnable_ops() {
  std::vector<Ops> out;
  if (cpu::has_avx2()) out.push_back({"avx2", cpu::matmul, cpu::expert_mlp});
  if (cpu::has_avx512()) out.push_back({"avx512", cpu::matmul_avx512, cpu::expert_mlp_avx512});
  return out;
}

struct Product {
  Ops ops;
  DType dtype;
  ActivationFormat format;
  int64_t rows;  // 0: as many as fill kWeightBytes
};

void run_matmul(benchmark::State& state, const Product& product) {
  const DType dtype = product.dtype;
  int64_t rows = product.rows;
  const int64_t cols = state.range(0);
  const int64_t tokens = state.range(1);
  if (rows == 0) rows = kWeightBytes / row_bytes(dtype, cols) / std::max<int64_t>(tokens / 8, 1);
  const std::vector<std::byte> bytes = weight_bytes(dtype, rows * row_bytes(dtype, cols));
  const WeightView weight = {.data = bytes.data(), .dtype = dtype, .rows = rows, .cols = cols};
  const ActivationMemory input(product.format, tokens, cols);
  std::vector<float> output(static_cast<size_t>(rows * tokens));
  const MatmulParams params = {
      .weight = weight, .input = input.rows, .output = view_f32(output.data(), tokens, rows)};
  const Exec exec = {.pool = &pool()};
  for (auto _ : state) {
    product.ops.matmul(params, exec);
    benchmark::ClobberMemory();
  }
  count_work(state, static_cast<double>(rows * cols * tokens), static_cast<double>(bytes.size()));
}

void read_memory(benchmark::State& state) {
  std::vector<uint64_t> words(kWeightBytes / 8, 1);
  std::atomic<uint64_t> total = 0;
  for (auto _ : state)
    pool().parallel_for(kWeightBytes / 8, 1 << 16, [&](int64_t begin, int64_t end) {
      total += std::accumulate(words.begin() + begin, words.begin() + end, uint64_t{0});
    });
  benchmark::DoNotOptimize(total.load());
  count_work(state, 0, static_cast<double>(kWeightBytes));
}

// One token through eight experts of the demo's size, and the prefill shape of a larger model.
void run_experts(benchmark::State& state, const Ops& ops, DType dtype) {
  const int64_t hidden = state.range(0), intermediate = state.range(1);
  const int64_t num_experts = state.range(2), rows_each = state.range(3);
  const int64_t matrix_bytes = intermediate * row_bytes(dtype, hidden);
  const std::vector<std::byte> bytes = weight_bytes(dtype, num_experts * 3 * matrix_bytes);
  std::vector<ExpertWeights> experts;
  for (int64_t e = 0; e < num_experts; ++e) {
    const std::byte* at = bytes.data() + e * 3 * matrix_bytes;
    const WeightView gate = {.data = at, .dtype = dtype, .rows = intermediate, .cols = hidden};
    WeightView up = gate, down = gate;
    up.data = at + matrix_bytes;
    down.data = at + 2 * matrix_bytes;
    std::swap(down.rows, down.cols);
    experts.push_back({gate, up, down});
  }
  const std::vector<int32_t> counts(num_experts, static_cast<int32_t>(rows_each));
  const int64_t rows = num_experts * rows_each;
  const ActivationMemory input(ActivationFormat::kInt8, rows, hidden);
  std::vector<float> output(static_cast<size_t>(rows * hidden));
  std::vector<std::byte> workspace(expert_mlp_workspace(rows, intermediate) + 64);
  const auto misalignment = reinterpret_cast<uintptr_t>(workspace.data()) % 64;
  const Exec exec = {.pool = &pool(),
                     .workspace = std::span(workspace).subspan((64 - misalignment) % 64)};
  const ExpertMlpParams params = {.experts = experts,
                                  .tokens_per_expert = counts,
                                  .input = input.rows,
                                  .output = view_f32(output.data(), rows, hidden)};
  for (auto _ : state) {
    ops.expert_mlp(params, exec);
    benchmark::ClobberMemory();
  }
  count_work(state,
             static_cast<double>(3 * rows * hidden * intermediate),
             static_cast<double>(bytes.size()));
}

const char* format_name(ActivationFormat format) {
  switch (format) {
    case ActivationFormat::kF32:
      return "f32";
    case ActivationFormat::kInt16:
      return "int16";
    case ActivationFormat::kInt8:
      return "int8";
  }
  return "";
}

void register_products(const Ops& ops, DType dtype) {
  for (const ActivationFormat format :
       {ActivationFormat::kF32, ActivationFormat::kInt16, ActivationFormat::kInt8}) {
    if (!accepts(dtype, format)) continue;
    const std::string name =
        std::string(dtype_name(dtype)) + "/" + format_name(format) + "/" + ops.name;
    benchmark::RegisterBenchmark(
        ("large/" + name).c_str(), run_matmul, Product{ops, dtype, format, 0})
        ->ArgsProduct({{2048}, {1, 2, 4, 8, 16, 32, 512}})
        ->UseRealTime();
    benchmark::RegisterBenchmark(
        ("small/" + name).c_str(), run_matmul, Product{ops, dtype, format, 256})
        ->ArgsProduct({{256}, {1, 4, 128}})
        ->UseRealTime();
  }
}

void register_all() {
  benchmark::RegisterBenchmark("read_memory", read_memory)->UseRealTime();
  for (const DType dtype : {DType::kF32,
                            DType::kF16,
                            DType::kBF16,
                            DType::kQ8_0,
                            DType::kQ4_K,
                            DType::kQ5_K,
                            DType::kQ6_K,
                            DType::kIQ3_XXS,
                            DType::kIQ4_XS,
                            DType::kMXFP4,
                            DType::kQ2_K,
                            DType::kQ3_K,
                            DType::kIQ2_XXS,
                            DType::kIQ2_XS,
                            DType::kIQ2_S,
                            DType::kIQ3_S,
                            DType::kIQ4_NL,
                            DType::kNVFP4,
                            DType::kTQ1_0})
    for (const Ops& ops : runnable_ops()) register_products(ops, dtype);
  for (const DType dtype : {DType::kQ4_K, DType::kIQ3_XXS, DType::kMXFP4})
    for (const Ops& ops : runnable_ops())
      benchmark::RegisterBenchmark(
          ("experts/" + std::string(dtype_name(dtype)) + "/" + ops.name).c_str(),
          run_experts,
          ops,
          dtype)
          ->Args({256, 256, 4, 1})
          ->Args({2048, 512, 8, 1})
          ->Args({2048, 512, 32, 16})
          ->UseRealTime();
}

}  // namespace
}  // namespace shoal::kernels

int main(int argc, char** argv) {
  shoal::kernels::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
