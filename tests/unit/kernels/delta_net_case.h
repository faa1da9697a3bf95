// Inputs of conv_silu and delta_net for sequences of given lengths, and the calls.
#pragma once
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {

// First row of every sequence, and the end.
inline std::vector<int32_t> starts_of(const std::vector<int>& lengths) {
  std::vector<int32_t> starts = {0};
  for (const int length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

struct ConvCase {
  int channels;
  int kernel;
  std::vector<float> weight;  // [channels, kernel]

  ConvCase(int channels, int kernel, uint32_t seed)
      : channels(channels), kernel(kernel), weight(random_floats(channels * kernel, seed)) {}

  std::vector<float> run(Machine& machine,
                         std::vector<float> input,
                         const std::vector<int>& lengths,
                         std::vector<int32_t> slots,
                         std::vector<float>& state) const {
    std::vector<int32_t> starts = starts_of(lengths);
    std::vector<float> output(input.size());
    machine.run(&KernelTable::conv_silu,
                {view_f32(input.data(), starts.back(), channels),
                 weight.data(),
                 kernel,
                 state.data(),
                 static_cast<int>(lengths.size()),
                 column(starts),
                 column(slots),
                 view_f32(output.data(), starts.back(), channels)});
    return output;
  }
};

struct DeltaNetShape {
  int num_k_heads;
  int num_v_heads;
  int dim;

  int mixed_cols() const { return (2 * num_k_heads + num_v_heads) * dim; }
  int64_t slot_floats() const { return int64_t{num_v_heads} * dim * dim; }
};

struct DeltaNetInputs {
  std::vector<float> mixed;        // [n, mixed_cols]
  std::vector<float> alpha, beta;  // [n, num_v_heads]
};

inline DeltaNetInputs random_inputs(const DeltaNetShape& shape, int rows, uint32_t seed) {
  return {random_floats(int64_t{rows} * shape.mixed_cols(), seed),
          random_floats(int64_t{rows} * shape.num_v_heads, seed + 1),
          random_floats(int64_t{rows} * shape.num_v_heads, seed + 2)};
}

struct DeltaNetCase {
  DeltaNetShape shape;
  std::vector<float> a, dt_bias;  // [num_v_heads]
  float epsilon = 1e-6f;

  DeltaNetCase(DeltaNetShape shape, uint32_t seed)
      : shape(shape),
        a(random_floats(shape.num_v_heads, seed)),
        dt_bias(random_floats(shape.num_v_heads, seed + 1)) {
    for (float& value : a) value = value > 0 ? -value : value;
  }

  std::vector<float> run(Machine& machine,
                         DeltaNetInputs inputs,
                         const std::vector<int>& lengths,
                         std::vector<int32_t> slots,
                         std::vector<float>& state) const {
    std::vector<int32_t> starts = starts_of(lengths);
    const int64_t n = starts.back();
    std::vector<float> output(n * shape.num_v_heads * shape.dim);
    machine.run(&KernelTable::delta_net,
                {.mixed = view_f32(inputs.mixed.data(), n, shape.mixed_cols()),
                 .alpha = view_f32(inputs.alpha.data(), n, shape.num_v_heads),
                 .beta = view_f32(inputs.beta.data(), n, shape.num_v_heads),
                 .a = a.data(),
                 .dt_bias = dt_bias.data(),
                 .num_k_heads = shape.num_k_heads,
                 .num_v_heads = shape.num_v_heads,
                 .dim = shape.dim,
                 .epsilon = epsilon,
                 .state = state.data(),
                 .num_sequences = static_cast<int>(lengths.size()),
                 .sequence_starts = column(starts),
                 .state_slots = column(slots),
                 .output = view_f32(output.data(), n, shape.num_v_heads * shape.dim)});
    return output;
  }
};

}  // namespace shoal::kernels
