// Rates of the ops that are no matrix product, at the shapes of the 397B model, on one thread of
// the CPU backend. Columns: "token_heads_per_second" counts (token, query or V head) pairs;
// "bytes_per_second" is what must be read at least once (keys and values, rows), to be set against
// the machine's memory bandwidth; "fma_per_second" against 16 f32 a cycle (two AVX2 units).
#include <benchmark/benchmark.h>

#include <numeric>
#include <random>
#include <vector>

#include "kernels/kernel_table.h"

namespace shoal::kernels {
namespace {

std::vector<float> random_floats(int64_t count) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

struct OneThread {
  ThreadPool pool{1};
  Exec exec{.pool = &pool};
  const KernelTable& kernels = select_kernels(Backend::kCpu);
};

void rms_norm(benchmark::State& state) {
  const int64_t rows = state.range(0), cols = 4096;
  std::vector<float> x = random_floats(rows * cols), weight = random_floats(cols), y(x.size());
  OneThread machine;
  const RmsNormParams params{
      view_f32(x.data(), rows, cols), weight.data(), 1e-6f, view_f32(y.data(), rows, cols)};
  for (auto _ : state) machine.kernels.rms_norm(params, machine.exec);
  state.SetBytesProcessed(state.iterations() * rows * cols * 8);
}
BENCHMARK(rms_norm)->Arg(1)->Arg(512);

void router_topk(benchmark::State& state) {
  const int64_t rows = state.range(0), num_experts = 512;
  const int num_topk = 10;
  std::vector<float> logits = random_floats(rows * num_experts), weights(rows * num_topk);
  std::vector<int32_t> ids(rows * num_topk);
  OneThread machine;
  const RouterParams params{view_f32(logits.data(), rows, num_experts),
                            num_topk,
                            view_i32(ids.data(), rows, num_topk),
                            view_f32(weights.data(), rows, num_topk)};
  for (auto _ : state) machine.kernels.router_topk(params, machine.exec);
  state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(router_topk)->Arg(1)->Arg(512);

void conv_silu(benchmark::State& state) {
  const int64_t rows = state.range(0), channels = 12288;
  std::vector<float> x = random_floats(rows * channels), y(x.size());
  std::vector<float> weight = random_floats(4 * channels), history(3 * channels);
  std::vector<int32_t> starts = {0, static_cast<int32_t>(rows)}, slots = {0};
  OneThread machine;
  const ConvParams params{view_f32(x.data(), rows, channels),
                          weight.data(),
                          4,
                          history.data(),
                          1,
                          view_i32(starts.data(), 2),
                          view_i32(slots.data(), 1),
                          view_f32(y.data(), rows, channels)};
  for (auto _ : state) machine.kernels.conv_silu(params, machine.exec);
  state.SetBytesProcessed(state.iterations() * rows * channels * 8);
}
BENCHMARK(conv_silu)->Arg(1)->Arg(512);

void delta_net(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const int k_heads = 16, v_heads = 64, dim = 128;
  const int64_t cols = (2 * k_heads + v_heads) * dim;
  std::vector<float> mixed = random_floats(rows * cols), alpha = random_floats(rows * v_heads);
  std::vector<float> beta = alpha, dt_bias = random_floats(v_heads), a(v_heads, -0.5f);
  std::vector<float> memory(v_heads * dim * dim), y(rows * v_heads * dim);
  std::vector<int32_t> starts = {0, static_cast<int32_t>(rows)}, slots = {0};
  OneThread machine;
  const DeltaNetParams params{.mixed = view_f32(mixed.data(), rows, cols),
                              .alpha = view_f32(alpha.data(), rows, v_heads),
                              .beta = view_f32(beta.data(), rows, v_heads),
                              .a = a.data(),
                              .dt_bias = dt_bias.data(),
                              .num_k_heads = k_heads,
                              .num_v_heads = v_heads,
                              .dim = dim,
                              .epsilon = 1e-6f,
                              .state = memory.data(),
                              .num_sequences = 1,
                              .sequence_starts = view_i32(starts.data(), 2),
                              .state_slots = view_i32(slots.data(), 1),
                              .output = view_f32(y.data(), rows, v_heads * dim)};
  for (auto _ : state) machine.kernels.delta_net(params, machine.exec);
  state.counters["token_heads_per_second"] =
      benchmark::Counter(rows * v_heads, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(delta_net)->Arg(1)->Arg(512)->Unit(benchmark::kMicrosecond);

// range(0) tokens at the end of a context of range(1).
void attention(benchmark::State& state) {
  const int64_t rows = state.range(0), context = state.range(1);
  const int heads = 32, kv_heads = 2, dim = 256, block_size = 32;
  std::vector<float> query = random_floats(rows * heads * 2 * dim);
  std::vector<float> key = random_floats(rows * kv_heads * dim), value = key;
  std::vector<float> k = random_floats(context * kv_heads * dim), v = k, y(rows * heads * dim);
  std::vector<int32_t> starts = {0, static_cast<int32_t>(rows)}, positions(rows);
  std::vector<int32_t> table(context / block_size);
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(context - rows));
  std::iota(table.rbegin(), table.rend(), 0);
  OneThread machine;
  const AttentionParams params{.query = view_f32(query.data(), rows, heads * 2 * dim),
                               .key = view_f32(key.data(), rows, kv_heads * dim),
                               .value = view_f32(value.data(), rows, kv_heads * dim),
                               .num_heads = heads,
                               .num_kv_heads = kv_heads,
                               .head_dim = dim,
                               .query_stride = 2 * dim,
                               .cache = {.k = k.data(), .v = v.data(), .block_size = block_size},
                               .num_sequences = 1,
                               .sequence_starts = view_i32(starts.data(), 2),
                               .positions = view_i32(positions.data(), rows),
                               .block_tables = table.data(),
                               .block_table_stride = static_cast<int>(table.size()),
                               .output = view_f32(y.data(), rows, heads * dim)};
  for (auto _ : state) machine.kernels.attention(params, machine.exec);
  double positions_seen = 0.0;
  for (const int32_t position : positions) positions_seen += position + 1;
  state.SetBytesProcessed(state.iterations() * context * kv_heads * dim * 2 * 4);
  state.counters["fma_per_second"] = benchmark::Counter(
      positions_seen * heads * dim * 2, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["token_heads_per_second"] =
      benchmark::Counter(rows * heads, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(attention)
    ->Args({1, 512})
    ->Args({1, 4096})
    ->Args({512, 512})
    ->Args({512, 4096})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace shoal::kernels

BENCHMARK_MAIN();
