// The insides of a layer in one call, to the bit: several matrices on one input; DeltaNet and
// attention, for prompts and for decode steps, which have launches of their own.
#include <algorithm>
#include <deque>
#include <numeric>

#include "tests/gpu/both_sides.h"
#include "tests/unit/kernels/product_data.h"

namespace shoal::kernels {
namespace {

TEST(CudaProject, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const std::vector<std::pair<DType, int64_t>> matrices = {{DType::kQ8_0, 200},
                                                           {DType::kF32, 33},
                                                           {DType::kQ6_K, 1},
                                                           {DType::kBF16, 5},
                                                           {DType::kQ4_K, 64}};
  const int64_t cols = 512;
  for (const int64_t n : {1, 2, 3, 70}) {
    SCOPED_TRACE(testing::Message() << n << " rows");
    std::mt19937 random(3);
    const Activations f32(random_floats(n * cols, random), cols, ActivationFormat::kF32);
    const Activations int16(f32.floats(), cols, ActivationFormat::kInt16);
    const DeviceRows device_f32(f32.rows()), device_int16(int16.rows());
    const auto input = [](const ActivationRows& floats, const ActivationRows& rows) {
      const auto writable = [](const auto* p) { return const_cast<float*>(p); };
      return InputRows{
          .rows = floats.rows,
          .cols = floats.cols,
          .f32 = const_cast<float*>(static_cast<const float*>(floats.values)),
          .int16 = {const_cast<void*>(rows.values), writable(rows.scales), writable(rows.sums)}};
    };
    std::deque<WeightMatrix> weights;
    std::deque<DeviceWeight> device_weights;
    std::deque<Both<float>> outputs;
    std::vector<Projection> host, device;
    for (const auto& [dtype, rows] : matrices) {
      weights.emplace_back(dtype, rows, cols, random);
      device_weights.emplace_back(weights.back().view());
      outputs.emplace_back(n * rows, NAN);
      host.push_back({weights.back().view(), outputs.back().rows(Side::kHost, n, rows)});
      device.push_back({device_weights.back().view(), outputs.back().rows(Side::kDevice, n, rows)});
    }
    run_on_both(&KernelTable::project, [&](Side side) {
      if (side == Side::kHost) return ProjectParams{input(f32.rows(), int16.rows()), host};
      return ProjectParams{input(device_f32.rows(), device_int16.rows()), device};
    });
    for (const Both<float>& output : outputs) output.expect_same();
  }
}

std::vector<int32_t> starts_of(const std::vector<int>& lengths) {
  std::vector<int32_t> starts = {0};
  for (const int length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

struct DeltaMixShape {
  int num_k, num_v, dim, kernel;
};

void expect_delta_mix_equals_reference(const DeltaMixShape& shape,
                                       const std::vector<int>& lengths) {
  const auto [num_k, num_v, dim, kernel] = shape;
  const int num_slots = 5;
  const auto count = static_cast<int>(lengths.size());
  const int64_t n = starts_of(lengths).back();
  const int64_t conv_dim = (2 * num_k + num_v) * dim, value_dim = num_v * dim;
  std::vector<float> decays = random_floats(num_v, 10u);
  for (float& value : decays) value = -std::abs(value);
  Both<int32_t> starts(starts_of(lengths)), slots({3, 0, 4, 1});
  Both<float> raw(random_floats(n * conv_dim, 1u)),
      conv_weight(random_floats(conv_dim * kernel, 2u));
  Both<float> conv_state(random_floats(num_slots * (kernel - 1) * conv_dim, 3u));
  Both<float> mixed(n * conv_dim, NAN), alpha(random_floats(n * num_v, 4u));
  Both<float> beta(random_floats(n * num_v, 5u)), dt_bias(random_floats(num_v, 6u)), a(decays);
  Both<float> state(random_floats(int64_t{num_slots} * num_v * dim * dim, 7u));
  Both<float> gate(random_floats(n * value_dim, 8u)), norm(random_floats(dim, 9u));
  BothRows output(n, value_dim);
  run_on_both(&KernelTable::delta_mix, [&](Side side) {
    const TensorView begin = starts.rows(side, count + 1), slot = slots.rows(side, count);
    return DeltaMixParams{.conv = {raw.rows(side, n, conv_dim),
                                   conv_weight.at(side),
                                   kernel,
                                   conv_state.at(side),
                                   count,
                                   begin,
                                   slot,
                                   mixed.rows(side, n, conv_dim)},
                          .delta = {.mixed = mixed.rows(side, n, conv_dim),
                                    .alpha = alpha.rows(side, n, num_v),
                                    .beta = beta.rows(side, n, num_v),
                                    .a = a.at(side),
                                    .dt_bias = dt_bias.at(side),
                                    .num_k_heads = num_k,
                                    .num_v_heads = num_v,
                                    .dim = dim,
                                    .epsilon = 1e-6f,
                                    .state = state.at(side),
                                    .num_sequences = count,
                                    .sequence_starts = begin,
                                    .state_slots = slot,
                                    .output = output.f32(side)},
                          .norm = {.input = output.f32(side),
                                   .gate = gate.rows(side, n, value_dim),
                                   .weight = norm.at(side),
                                   .dim = dim,
                                   .epsilon = 1e-6f,
                                   .output = output.f32(side)},
                          .output = output.rows(side, false)};
  });
  conv_state.expect_same();
  state.expect_same();
  output.expect_same();
}

void expect_delta_mix_equals_reference(const std::vector<DeltaMixShape>& shapes,
                                       const std::vector<std::vector<int>>& batches) {
  for (const DeltaMixShape& shape : shapes)
    for (const std::vector<int>& lengths : batches) {
      SCOPED_TRACE(testing::Message()
                   << shape.num_k << " K heads, " << shape.num_v << " V heads, dim " << shape.dim
                   << ", kernel " << shape.kernel << ", lengths "
                   << testing::PrintToString(lengths));
      expect_delta_mix_equals_reference(shape, lengths);
    }
}

// Sixteen tokens are convolved together, eight copied together, 32 kept; sequences begin and end
// on both sides of these edges, and some end within the convolution's history.
TEST(CudaDeltaMix, PromptEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_delta_mix_equals_reference(
      {{2, 4, 64, 4}, {2, 4, 128, 4}, {1, 3, 64, 4}},
      {{5}, {2, 1, 0, 30}, {15, 3, 1, 2}, {16, 17}, {7, 9}, {8, 33, 0, 24}, {100, 1}});
}

// Clusters of 1, 2, 3, 4 and 8 thread blocks share the convolution's history; nine V heads of a K
// head are too many for one.
TEST(CudaDeltaMix, DecodeEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_delta_mix_equals_reference({{2, 4, 64, 4},
                                     {2, 4, 128, 4},
                                     {2, 2, 128, 4},
                                     {2, 6, 128, 4},
                                     {1, 4, 128, 4},
                                     {2, 16, 128, 4},
                                     {1, 9, 128, 4}},
                                    {{1}, {1, 1, 1}});
}

// Dims and convolutions without launches of their own.
TEST(CudaDeltaMix, OtherShapesEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_delta_mix_equals_reference({{1, 2, 32, 4}, {1, 2, 64, 3}}, {{1}, {1, 1}, {20, 2}});
}

TEST(CudaAttentionMix, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int head_dim : {256, 64})
    for (const size_t workspace : {size_t{0}, size_t{1} << 26})
      for (const auto& [before, lengths] :
           std::vector<std::pair<std::vector<int>, std::vector<int>>>{{{0}, {1}},
                                                                      {{255}, {1}},
                                                                      {{256}, {1}},
                                                                      {{700, 3}, {1, 1}},
                                                                      {{250, 0}, {20, 3}},
                                                                      {{300, 10, 2}, {1, 37, 1}}}) {
        SCOPED_TRACE(testing::Message() << "head_dim " << head_dim << ", workspace " << workspace);
        const int num_heads = head_dim / 16, num_kv = 2, block_size = 32;
        const auto count = static_cast<int>(lengths.size());
        const std::vector<int32_t> begin = starts_of(lengths);
        const int64_t n = begin.back();
        const int64_t q_cols = num_heads * 2 * head_dim, kv_cols = num_kv * head_dim;
        std::vector<int32_t> position;
        int longest = 0;
        for (size_t s = 0; s < lengths.size(); ++s) {
          longest = std::max(longest, before[s] + lengths[s]);
          for (int i = 0; i < lengths[s]; ++i) position.push_back(before[s] + i);
        }
        const int stride = longest / block_size + 9;
        std::vector<int32_t> table(count * stride);
        std::iota(table.begin(), table.end(), 1);
        const auto cache_floats =
            static_cast<int64_t>(table.size() + 1) * num_kv * block_size * head_dim;
        Both<int32_t> starts(begin), positions(position), tables(table);
        Both<float> query(random_floats(n * q_cols, 1u)), key(random_floats(n * kv_cols, 2u));
        Both<float> value(random_floats(n * kv_cols, 3u)), q_norm(random_floats(head_dim, 4u));
        Both<float> k_norm(random_floats(head_dim, 5u)), k(random_floats(cache_floats, 6u));
        Both<float> v(random_floats(cache_floats, 7u));
        BothRows output(n, num_heads * head_dim);
        run_on_both(
            &KernelTable::attention_mix,
            [&](Side side) {
              QkNormRopeParams rope = {.heads = query.rows(side, n, q_cols),
                                       .num_heads = num_heads,
                                       .head_dim = head_dim,
                                       .head_stride = 2 * head_dim,
                                       .weight = q_norm.at(side),
                                       .epsilon = 1e-6f,
                                       .rotary_dim = head_dim / 4,
                                       .rope_base = 1e7f,
                                       .positions = positions.rows(side, n)};
              AttentionMixParams params{.query = rope, .key = rope};
              params.key.heads = key.rows(side, n, kv_cols);
              params.key.num_heads = num_kv;
              params.key.head_stride = head_dim;
              params.key.weight = k_norm.at(side);
              params.attention = {.query = rope.heads,
                                  .key = params.key.heads,
                                  .value = value.rows(side, n, kv_cols),
                                  .num_heads = num_heads,
                                  .num_kv_heads = num_kv,
                                  .head_dim = head_dim,
                                  .query_stride = 2 * head_dim,
                                  .cache = {k.at(side), v.at(side), block_size},
                                  .num_sequences = count,
                                  .sequence_starts = starts.rows(side, count + 1),
                                  .positions = rope.positions,
                                  .block_tables = tables.at(side),
                                  .block_table_stride = stride,
                                  .output = output.f32(side)};
              params.gate = {.values = output.f32(side),
                             .gate = rope.heads,
                             .num_heads = num_heads,
                             .dim = head_dim,
                             .gate_stride = 2 * head_dim,
                             .gate_offset = head_dim};
              params.output = output.rows(side, false);
              return params;
            },
            workspace);
        k.expect_same();
        v.expect_same();
        output.expect_same();
      }
}

}  // namespace
}  // namespace shoal::kernels
