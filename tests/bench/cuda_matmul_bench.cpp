// Rates of the CUDA products at the shapes of the models, beside the rate of a device-to-device
// copy measured first. One line a case: time of a call inside a graph of many (so launches cost
// what they cost in a decode step), weight bytes over that time, and its share of the copy rate.
// Weights are random bytes, and calls walk over copies of them that together exceed the L2 cache.
//   cuda_matmul_bench [NAME-PART]
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
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

class Bench {
 public:
  explicit Bench(std::string only)
      : only_(std::move(only)), kernels_(select_kernels(Backend::kCuda)), noise_(kWalkedBytes) {
    std::mt19937_64 random(1);
    std::vector<uint64_t> values(kWalkedBytes / 8);
    for (uint64_t& value : values) value = random();
    stream_.copy_to_device(noise_.data(), values.data(), kWalkedBytes);
    stream_.synchronize();
    x_ = DeviceBuffer(size_t{256} << 20);
    cuda_check(cudaMemsetAsync(x_.data(), 1, x_.size(), stream_.get()), "cudaMemsetAsync");
    y_ = DeviceBuffer(size_t{2200} << 20);
    workspace_ = DeviceBuffer(size_t{256} << 20);
    copy_rate_ = measure_copy();
    fmt::print("a device-to-device copy moves {:.0f} GB/s (read + written)\n", copy_rate_);
    fmt::print("{:<44} {:>6} {:>10} {:>8} {:>6}\n", "case", "rows", "us", "GB/s", "share");
  }

  void matmul(DType dtype, int64_t rows, int64_t cols, ActivationFormat format) {
    const auto bytes = static_cast<size_t>(rows * row_bytes(dtype, cols));
    const size_t num_copies = std::max<size_t>(1, kWalkedBytes / bytes);
    for (const int64_t tokens : {1, 2, 3, 8, 64, 2048}) {
      const std::string name =
          fmt::format("matmul {} {} x {} {}", dtype_name(dtype), rows, cols, format_name(format));
      time(name, tokens, bytes, [&](int call) {
        kernels_.matmul({.weight = {.data = noise_.data() + call % num_copies * bytes,
                                    .dtype = dtype,
                                    .rows = rows,
                                    .cols = cols},
                         .input = activations(format, tokens, cols),
                         .output = view_f32(y_.as<float>(), tokens, rows)},
                        exec());
      });
    }
  }

  // `active` of the experts get `rows` rows each, other ones in every call.
  void experts(const ExpertWeights& shape, int num_experts, int active, int rows) {
    const std::string name = fmt::format("experts {} {} {} x {}, {} of {}",
                                         dtype_name(shape.gate.dtype),
                                         dtype_name(shape.down.dtype),
                                         shape.gate.cols,
                                         shape.gate.rows,
                                         active,
                                         num_experts);
    const size_t expert_bytes = bytes_of(shape.gate) + bytes_of(shape.up) + bytes_of(shape.down);
    std::vector<ExpertWeights> experts;
    for (int e = 0; e < num_experts; ++e) {
      const size_t places = kWalkedBytes / expert_bytes;
      std::byte* at = noise_.data() + e % places * expert_bytes;
      ExpertWeights expert = shape;
      expert.gate.data = at;
      expert.up.data = at + bytes_of(shape.gate);
      expert.down.data = at + bytes_of(shape.gate) + bytes_of(shape.up);
      experts.push_back(expert);
    }
    time(name, rows, expert_bytes * static_cast<size_t>(active), [&](int call) {
      std::vector<int32_t> counts(experts.size());
      for (int i = 0; i < active; ++i) counts[(call * active + i) * 7 % num_experts] = rows;
      kernels_.expert_mlp(
          {.experts = experts,
           .tokens_per_expert = counts,
           .input = activations(ActivationFormat::kInt8, active * rows, shape.gate.cols),
           .output = view_f32(y_.as<float>(), active * rows, shape.down.rows)},
          exec());
    });
  }

 private:
  static size_t bytes_of(const WeightView& weight) {
    return static_cast<size_t>(weight.rows * weight.row_stride());
  }
  static const char* format_name(ActivationFormat format) {
    return format == ActivationFormat::kF32    ? "f32"
           : format == ActivationFormat::kInt8 ? "i8"
                                               : "i16";
  }
  Exec exec() const { return {.stream = stream_.view(), .workspace = workspace_.span()}; }

  ActivationRows activations(ActivationFormat format, int64_t rows, int64_t cols) const {
    const float* scales = x_.as<float>() + x_.size() / 8;
    return {.format = format,
            .rows = rows,
            .cols = cols,
            .values = x_.data(),
            .scales = scales,
            .sums = scales};
  }

  // Microseconds of one call; the median of several graphs of kCalls calls.
  double graph_time(const std::function<void(int)>& call) const {
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
  double measure_copy() const {
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

  void time(const std::string& name,
            int64_t tokens,
            size_t bytes,
            const std::function<void(int)>& call) {
    if (name.find(only_) == std::string::npos) return;
    const double us = graph_time(call);
    const double rate = 1e-3 * static_cast<double>(bytes) / us;
    fmt::print("{:<44} {:>6} {:>10.2f} {:>8.0f} {:>5.0f}%\n",
               name,
               tokens,
               us,
               rate,
               100 * rate / copy_rate_);
  }

  std::string only_;
  const KernelTable& kernels_;
  device::CudaStream stream_;
  DeviceBuffer noise_, x_, y_, workspace_;
  double copy_rate_ = 0;
};

void run(const std::string& only) {
  Bench bench(only);
  const std::vector<DType> block_types = {DType::kQ8_0,
                                          DType::kQ4_K,
                                          DType::kQ5_K,
                                          DType::kQ6_K,
                                          DType::kIQ3_XXS,
                                          DType::kIQ4_XS,
                                          DType::kMXFP4};
  for (const DType dtype : block_types) bench.matmul(dtype, 8192, 2048, ActivationFormat::kInt16);
  for (const DType dtype : {DType::kBF16, DType::kF32})
    bench.matmul(dtype, 8192, 2048, ActivationFormat::kF32);
  bench.matmul(DType::kQ8_0, 2048, 4096, ActivationFormat::kInt16);
  bench.matmul(DType::kQ8_0, 16384, 4096, ActivationFormat::kInt16);
  bench.matmul(DType::kQ6_K, 248320, 2048, ActivationFormat::kInt16);
  const auto weight = [](DType dtype, int64_t rows, int64_t cols) {
    return WeightView{.dtype = dtype, .rows = rows, .cols = cols};
  };
  const std::vector<std::pair<DType, DType>> mixes = {{DType::kQ4_K, DType::kQ5_K},
                                                      {DType::kIQ3_XXS, DType::kIQ4_XS},
                                                      {DType::kMXFP4, DType::kMXFP4},
                                                      {DType::kQ8_0, DType::kQ8_0}};
  for (const auto& [up, down] : mixes) {
    const ExpertWeights small = {
        weight(up, 512, 2048), weight(up, 512, 2048), weight(down, 2048, 512)};
    const ExpertWeights large = {
        weight(up, 1024, 4096), weight(up, 1024, 4096), weight(down, 4096, 1024)};
    bench.experts(small, 256, 8, 1);     // 35B, one sequence
    bench.experts(small, 256, 224, 2);   // about 64 sequences
    bench.experts(small, 256, 256, 64);  // a prompt of 2,048 tokens
    bench.experts(large, 512, 10, 1);    // 397B, one sequence
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "");
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
