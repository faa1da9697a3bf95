// Every op of a step on the GPU at the shapes of the models: microseconds inside a captured graph
// of many calls, the bytes the op must move, and their rate as a share of a device-to-device
// copy's, measured first. Weights are random; calls walk over copies of them that together exceed
// the L2 cache, so they come from memory.
//   cuda_ops_bench [35b|397b] [ud-q4|ud-q3|mxfp4] [TOKENS ...]
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/fill_random.h"
#include "kernels/kernel_table.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/base/error.h"
#include "runtime/device/cuda_buffer.h"
#include "runtime/device/cuda_check.h"
#include "runtime/device/cuda_stream.h"

namespace {

using namespace shoal;
using namespace shoal::kernels;
using device::cuda_check;
using device::DeviceBuffer;

constexpr size_t kWalkedBytes = size_t{256} << 20;  // five times the L2 cache
constexpr int kMaxTokens = 2048;

struct ModelShape {
  int64_t hidden, intermediate;
  int num_heads, num_kv_heads, num_k_heads, num_v_heads, num_experts, num_topk;
  int num_layers;
};
struct Mix {
  DType gate_up, down, head;
};

constexpr ModelShape k35b = {2048, 512, 16, 2, 16, 32, 256, 8, 40};
constexpr ModelShape k397b = {4096, 1024, 32, 2, 16, 64, 512, 10, 60};
constexpr int64_t kVocab = 248320;
constexpr int kHeadDim = 256, kStateDim = 128;

int64_t planes_bytes(const WeightView& weight) {
  return (weight.rows * weight.row_stride() + 15) / 16 * 16;
}

// Random matrices of one shape, one after another, as many as exceed the cache.
class Walk {
 public:
  Walk(DType dtype, int64_t rows, int64_t cols, int64_t at_least, Stream stream) {
    WeightView one{.dtype = dtype, .rows = rows, .cols = cols};
    const int64_t bytes = planes_bytes(one);
    const int64_t count = std::max(at_least, static_cast<int64_t>(kWalkedBytes) / bytes);
    memory_ = DeviceBuffer(static_cast<size_t>(bytes * count) + 16);
    const auto cut = find_block_cut(dtype);
    const int64_t blocks = rows * cols / dtype_traits(dtype).block_elements;
    for (int64_t i = 0; i < count; ++i) {
      WeightView view = one;
      view.data = memory_.data() + (cut ? i * blocks * cut->body_bytes() : i * bytes);
      if (cut) {
        view.layout = WeightLayout::kSplit;
        view.heads =
            memory_.data() + count * blocks * cut->body_bytes() + i * blocks * cut->head_bytes;
      }
      views_.push_back(view);
    }
    WeightView all = views_.front();
    all.rows *= count;
    cuda::fill_random(all, 1, stream);
  }
  const WeightView& at(int64_t call) const { return views_[call % views_.size()]; }
  const std::vector<WeightView>& all() const { return views_; }
  int64_t bytes() const { return views_.front().rows * views_.front().row_stride(); }

 private:
  DeviceBuffer memory_;
  std::vector<WeightView> views_;
};

// Device arrays of a value each.
struct Array {
  DeviceBuffer memory;
  explicit Array(int64_t count, const device::CudaStream& stream, int byte = 0)
      : memory(static_cast<size_t>(count) * 4 + 16) {
    cuda_check(cudaMemsetAsync(memory.data(), byte, memory.size(), stream.get()),
               "cudaMemsetAsync");
  }
  Array(const std::vector<int32_t>& values, const device::CudaStream& stream)
      : memory(values.size() * 4 + 16) {
    stream.copy_to_device(memory.data(), values.data(), values.size() * 4);
    stream.synchronize();
  }
  float* f32() const { return memory.as<float>(); }
  int32_t* i32() const { return memory.as<int32_t>(); }
  TensorView rows(int64_t rows, int64_t cols) const { return view_f32(f32(), rows, cols); }
  TensorView ints(int64_t rows, int64_t cols = 1) const { return view_i32(i32(), rows, cols); }
};

class OpsBench {
 public:
  OpsBench(const ModelShape& shape, const Mix& mix)
      : shape_(shape), mix_(mix), kernels_(select_kernels(Backend::kCuda)) {
    copy_rate_ = measure_copy();
    fmt::print("a device-to-device copy moves {:.0f} GB/s (read + written)\n", copy_rate_);
  }

  void run(int64_t n, bool decode);

 private:
  struct Line {
    std::string name;
    double us;
    int times;  // in a model
  };

  Exec exec() const { return {.stream = stream_.view(), .workspace = workspace_.span()}; }

  InputRows input(const Array& memory, int64_t n, int64_t cols) const {
    float* f32 = memory.f32();
    float* ints = f32 + n * cols;
    float* scales = ints + n * cols;
    const int64_t blocks = n * cols / 32;
    return {.rows = n,
            .cols = cols,
            .f32 = f32,
            .int16 = {ints, scales, scales + blocks},
            .int8 = {ints + n * cols / 2, scales + 2 * blocks, scales + 3 * blocks}};
  }

  // Microseconds of one call; the median of several graphs of kCalls calls.
  double graph_time(const std::function<void(int)>& call) const;
  double measure_copy() const;
  void time(const std::string& name, int times, double bytes, const std::function<void(int)>& call);

  ModelShape shape_;
  Mix mix_;
  const KernelTable& kernels_;
  device::CudaStream stream_;
  DeviceBuffer workspace_ = DeviceBuffer(size_t{1} << 30);
  double copy_rate_ = 0;
  double total_us_ = 0;
};

double OpsBench::graph_time(const std::function<void(int)>& call) const {
  constexpr int kCalls = 32, kRounds = 5;
  cudaGraph_t graph;
  cudaGraphExec_t instance;
  cuda_check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "capture");
  for (int i = 0; i < kCalls; ++i) call(i);
  cuda_check(cudaStreamEndCapture(stream_.get(), &graph), "end of capture");
  cuda_check(cudaGraphInstantiate(&instance, graph, 0), "cudaGraphInstantiate");
  std::vector<double> times;
  for (int round = 0; round < kRounds + 2; ++round) {
    const device::CudaEvent begin, end;
    begin.record(stream_);
    cuda_check(cudaGraphLaunch(instance, stream_.get()), "cudaGraphLaunch");
    end.record(stream_);
    const double milliseconds = end.milliseconds_since(begin);
    if (round >= 2) times.push_back(1e3 * milliseconds / kCalls);
  }
  cuda_check(cudaGraphExecDestroy(instance), "cudaGraphExecDestroy");
  cuda_check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
  return times[kRounds / 2];
}

// The best of several, as this is a ceiling.
double OpsBench::measure_copy() const {
  constexpr size_t kBytes = size_t{4} << 30;
  const DeviceBuffer from(kBytes), to(kBytes);
  double best = 0;
  for (int round = 0; round < 12; ++round) {
    const device::CudaEvent begin, end;
    begin.record(stream_);
    cuda_check(
        cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, stream_.get()),
        "cudaMemcpyAsync");
    end.record(stream_);
    best = std::max(best, 2e-6 * kBytes / end.milliseconds_since(begin));
  }
  return best;
}

void OpsBench::time(const std::string& name,
                    int times,
                    double bytes,
                    const std::function<void(int)>& call) {
  const double us = graph_time(call);
  const double rate = 1e-3 * bytes / us;
  total_us_ += us * times;
  fmt::print("{:<34} {:>4} {:>10.2f} {:>10.2f} {:>8.0f} {:>5.0f}%\n",
             name,
             times,
             us,
             bytes * 1e-6,
             rate,
             100 * rate / copy_rate_);
}

void OpsBench::run(int64_t n, bool decode) {
  const auto [hidden,
              intermediate,
              num_heads,
              num_kv,
              num_k,
              num_v,
              num_experts,
              num_topk,
              layers] = shape_;
  const Stream stream = stream_.view();
  fmt::print("\n{} tokens of {}\n{:<34} {:>4} {:>10} {:>10} {:>8} {:>6}\n",
             n,
             decode ? "as many sequences" : "one prompt",
             "op",
             "a step",
             "us",
             "MB",
             "GB/s",
             "share");
  total_us_ = 0;
  const int attention_layers = layers / 4, delta_layers = layers - attention_layers;
  const int64_t conv_dim = (2 * num_k + num_v) * int64_t{kStateDim},
                value_dim = num_v * int64_t{kStateDim};
  const int64_t q_cols = int64_t{num_heads} * 2 * kHeadDim, kv_cols = int64_t{num_kv} * kHeadDim;
  const int64_t widest = std::max({hidden, q_cols, conv_dim, int64_t{num_experts}});
  const Array x(4 * n * widest, stream_), y(n * widest, stream_), z(n * widest, stream_);
  const Array w(8 * widest, stream_, 0x3c), a(n * widest, stream_), b(n * widest, stream_);
  const int sequences = decode ? static_cast<int>(n) : 1;
  std::vector<int32_t> start_values(static_cast<size_t>(sequences) + 1), slot_values(sequences);
  std::iota(start_values.begin(), start_values.end(), 0);
  if (!decode) start_values[1] = static_cast<int32_t>(n);
  std::iota(slot_values.begin(), slot_values.end(), 0);
  std::vector<int32_t> position_values(static_cast<size_t>(n), 255);
  if (!decode) std::iota(position_values.begin(), position_values.end(), 0);
  const Array starts(start_values, stream_), slots(slot_values, stream_);
  const Array positions(position_values, stream_);
  const InputRows rows = input(x, n, hidden);

  time("norm_inputs", 2 * layers, 4.0 * n * hidden * 4, [&](int) {
    kernels_.norm_inputs({.hidden = y.rows(n, hidden),
                          .addend = z.rows(n, hidden),
                          .weight = w.f32(),
                          .epsilon = 1e-6f,
                          .output = rows},
                         exec());
  });

  const auto project = [&](const std::string& name,
                           int times,
                           const InputRows& from,
                           const std::vector<std::pair<DType, int64_t>>& matrices) {
    std::vector<Walk> walks;
    double bytes = 0;
    for (const auto& [dtype, outputs] : matrices) {
      walks.emplace_back(dtype, outputs, from.cols, 1, stream);
      bytes += static_cast<double>(walks.back().bytes()) + 4.0 * static_cast<double>(n * outputs);
    }
    time(name, times, bytes, [&](int call) {
      std::vector<Projection> projections;
      for (const Walk& walk : walks) {
        const WeightView& weight = walk.at(call);
        const TensorView out = view_f32(z.f32(), n, weight.rows);
        projections.push_back({weight, out});
      }
      kernels_.project({from, projections}, exec());
    });
  };
  constexpr DType kDense = DType::kQ8_0;
  project("project DeltaNet inputs",
          delta_layers,
          rows,
          {{kDense, conv_dim}, {kDense, value_dim}, {kDense, num_v}, {kDense, num_v}});
  const Array state(int64_t{sequences} * num_v * kStateDim * kStateDim, stream_);
  const Array conv_state(int64_t{sequences} * 3 * conv_dim, stream_);
  const InputRows inner = input(x, n, value_dim);
  time("delta_mix",
       delta_layers,
       8.0 * sequences * num_v * kStateDim * kStateDim + 8.0 * n * conv_dim,
       [&](int) {
         kernels_.delta_mix({.conv = {y.rows(n, conv_dim),
                                      w.f32(),
                                      4,
                                      conv_state.f32(),
                                      sequences,
                                      starts.ints(sequences + 1),
                                      slots.ints(sequences),
                                      z.rows(n, conv_dim)},
                             .delta = {.mixed = z.rows(n, conv_dim),
                                       .alpha = a.rows(n, num_v),
                                       .beta = b.rows(n, num_v),
                                       .a = w.f32(),
                                       .dt_bias = w.f32(),
                                       .num_k_heads = num_k,
                                       .num_v_heads = num_v,
                                       .dim = kStateDim,
                                       .epsilon = 1e-6f,
                                       .state = state.f32(),
                                       .num_sequences = sequences,
                                       .sequence_starts = starts.ints(sequences + 1),
                                       .state_slots = slots.ints(sequences),
                                       .output = view_f32(inner.f32, n, value_dim)},
                             .norm = {.input = view_f32(inner.f32, n, value_dim),
                                      .gate = y.rows(n, value_dim),
                                      .weight = w.f32(),
                                      .dim = kStateDim,
                                      .epsilon = 1e-6f,
                                      .output = view_f32(inner.f32, n, value_dim)},
                             .output = inner},
                            exec());
       });
  project("project DeltaNet output", delta_layers, inner, {{kDense, hidden}});
  project("project attention inputs",
          attention_layers,
          rows,
          {{kDense, q_cols}, {kDense, kv_cols}, {kDense, kv_cols}});
  const int64_t context = decode ? 256 : n;
  const auto stride = static_cast<int>((context + 31) / 32);
  std::vector<int32_t> table_values(static_cast<size_t>(sequences * stride));
  std::iota(table_values.begin(), table_values.end(), 0);
  const Array tables(table_values, stream_);
  const Array k(int64_t{sequences} * stride * 32 * kv_cols, stream_);
  const Array v(int64_t{sequences} * stride * 32 * kv_cols, stream_);
  const InputRows attended = input(x, n, q_cols / 2);
  time("attention_mix (256 positions, or own)",
       attention_layers,
       8.0 * sequences * context * kv_cols,
       [&](int) {
         QkNormRopeParams rope = {.heads = y.rows(n, q_cols),
                                  .num_heads = num_heads,
                                  .head_dim = kHeadDim,
                                  .head_stride = 2 * kHeadDim,
                                  .weight = w.f32(),
                                  .epsilon = 1e-6f,
                                  .rotary_dim = 64,
                                  .rope_base = 1e7f,
                                  .positions = positions.ints(n)};
         AttentionMixParams params{.query = rope, .key = rope};
         params.key.heads = a.rows(n, kv_cols);
         params.key.num_heads = num_kv;
         params.key.head_stride = kHeadDim;
         params.attention = {.query = rope.heads,
                             .key = params.key.heads,
                             .value = b.rows(n, kv_cols),
                             .num_heads = num_heads,
                             .num_kv_heads = num_kv,
                             .head_dim = kHeadDim,
                             .query_stride = 2 * kHeadDim,
                             .cache = {k.f32(), v.f32(), 32},
                             .num_sequences = sequences,
                             .sequence_starts = starts.ints(sequences + 1),
                             .positions = rope.positions,
                             .block_tables = tables.i32(),
                             .block_table_stride = stride,
                             .output = view_f32(attended.f32, n, q_cols / 2)};
         params.gate = {.values = params.attention.output,
                        .gate = rope.heads,
                        .num_heads = num_heads,
                        .dim = kHeadDim,
                        .gate_stride = 2 * kHeadDim,
                        .gate_offset = kHeadDim};
         params.output = attended;
         kernels_.attention_mix(params, exec());
       });
  project("project attention output", attention_layers, attended, {{kDense, hidden}});
  project("project router", layers, rows, {{DType::kF32, num_experts}});
  const Array logits(n * num_experts, stream_), topk_ids(n * num_topk, stream_);
  const Array topk_weights(n * num_topk, stream_);
  const int64_t num_pairs = n * num_topk;
  std::mt19937 random(1);
  std::vector<int32_t> all(num_experts), ids;
  std::iota(all.begin(), all.end(), 0);
  for (int64_t t = 0; t < n; ++t) {
    std::shuffle(all.begin(), all.end(), random);
    ids.insert(ids.end(), all.begin(), all.begin() + num_topk);
  }
  std::vector<int32_t> distinct = ids;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  const Array random_ids(ids, stream_), group_starts(num_experts + 1, stream_);
  const Array row_of_slot(num_pairs, stream_), slot_of_pair(num_pairs, stream_);
  const Array active(4 * num_experts, stream_);
  const RowGroups groups = {.num_experts = num_experts,
                            .num_topk = num_topk,
                            .num_pairs = num_pairs,
                            .starts = group_starts.i32(),
                            .row_of_slot = row_of_slot.i32(),
                            .slot_of_pair = slot_of_pair.i32(),
                            .active = active.memory.as<ActiveRows>()};
  time("router_topk, rows grouped", layers, 4.0 * n * num_experts, [&](int) {
    kernels_.router_topk({.logits = logits.rows(n, num_experts),
                          .num_topk = num_topk,
                          .topk_ids = topk_ids.ints(n, num_topk),
                          .topk_weights = topk_weights.rows(n, num_topk),
                          .groups = &groups},
                         exec());
  });
  // The experts get rows at random.
  kernels_.group_rows({random_ids.ints(n, num_topk), groups}, exec());
  project("project shared gate and up",
          layers,
          rows,
          {{kDense, intermediate}, {kDense, intermediate}, {DType::kF32, 1}});
  const InputRows shared = input(a, n, intermediate);
  time("silu_inputs", layers, 16.0 * n * intermediate, [&](int) {
    kernels_.silu_inputs({.mul = {.gate = y.rows(n, intermediate),
                                  .up = z.rows(n, intermediate),
                                  .output = view_f32(shared.f32, n, intermediate)},
                          .output = shared},
                         exec());
  });
  project("project shared down", layers, shared, {{kDense, hidden}});
  {
    const Walk gates(mix_.gate_up, intermediate, hidden, num_experts, stream);
    const Walk ups(mix_.gate_up, intermediate, hidden, num_experts, stream);
    const Walk downs(mix_.down, hidden, intermediate, num_experts, stream);
    std::vector<ExpertWeights> experts;
    for (int e = 0; e < num_experts; ++e)
      experts.push_back({gates.all()[e], ups.all()[e], downs.all()[e]});
    const Array out(num_pairs * hidden, stream_);
    // Other experts in each call of few rows, as in other layers.
    std::vector<Array> starts_of_call, active_of_call;
    for (int call = 0; call < 32; ++call) {
      std::vector<int32_t> moved(num_experts), begin(num_experts + 1);
      std::vector<int32_t> count(num_experts);
      for (const int32_t id : ids) ++count[(id + call * 37) % num_experts];
      std::vector<int32_t> lively;
      for (int e = 0; e < num_experts; ++e) {
        begin[e + 1] = begin[e] + count[e];
        if (count[e] > 0) lively.insert(lively.end(), {e, begin[e], count[e], 0});
      }
      lively.resize(4 * static_cast<size_t>(num_experts));
      starts_of_call.emplace_back(begin, stream_);
      active_of_call.emplace_back(lively, stream_);
    }
    const double bytes = static_cast<double>(gates.bytes() + ups.bytes() + downs.bytes()) *
                         static_cast<double>(distinct.size());
    time(fmt::format("expert_mlp ({} experts)", distinct.size()), layers, bytes, [&](int call) {
      RowGroups moved = groups;
      moved.starts = starts_of_call[call].i32();
      moved.active = active_of_call[call].memory.as<ActiveRows>();
      kernels_.expert_mlp({.experts = experts,
                           .input = rows.in(ActivationFormat::kInt8),
                           .output = out.rows(num_pairs, hidden),
                           .groups = &moved},
                          exec());
    });
    time("combine_rows", layers, 4.0 * hidden * (num_pairs + 3 * n), [&](int) {
      kernels_.combine_rows({.expert_out = out.rows(num_pairs, hidden),
                             .topk_weights = topk_weights.rows(n, num_topk),
                             .slot_of_pair = slot_of_pair.i32(),
                             .shared = y.rows(n, hidden),
                             .shared_gate = a.f32(),
                             .residual = z.rows(n, hidden)},
                            exec());
    });
  }
  if (decode) {
    const Array vocabulary(n * kVocab, stream_);
    const Walk head(mix_.head, kVocab, hidden, 1, stream);
    time("project lm_head", 1, static_cast<double>(head.bytes()), [&](int) {
      const Projection projection = {head.at(0), vocabulary.rows(n, kVocab)};
      kernels_.project({rows, {&projection, 1}}, exec());
    });
    time("argmax_rows", 1, 4.0 * n * kVocab, [&](int) {
      kernels_.argmax_rows({.logits = vocabulary.rows(n, kVocab),
                            .token_ids = topk_ids.ints(n),
                            .slots = slots.ints(n),
                            .last_tokens = active.i32()},
                           exec());
    });
  }
  fmt::print("{:<34} {:>4} {:>10.1f}   -> {:.0f} tokens/s if nothing overlapped\n",
             "sum",
             "",
             total_us_,
             1e6 * static_cast<double>(n) / total_us_);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto has = [&](const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  try {
    const Mix mix = has("ud-q3")   ? Mix{DType::kIQ3_XXS, DType::kIQ4_XS, DType::kQ6_K}
                    : has("mxfp4") ? Mix{DType::kMXFP4, DType::kQ5_K, DType::kQ8_0}
                                   : Mix{DType::kQ4_K, DType::kQ5_K, DType::kQ8_0};
    OpsBench bench(has("397b") ? k397b : k35b, mix);
    for (const std::string& word : words)
      if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
        if (const int n = std::stoi(word); n >= 1 && n <= kMaxTokens) bench.run(n, n <= 128);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
