// Attention, to the bit, with the splits walked in turn (no workspace) and side by side. Heads of
// 256 have kernels of their own: for sequences with one token, and tiles of tokens for the others.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/attention_case.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

constexpr AttentionShape kShape = {
    .num_heads = 4, .num_kv_heads = 2, .head_dim = 64, .query_stride = 128, .block_size = 32};

// Sequences that hold `before` positions already and get `lengths` more.
void expect_equals_reference(const AttentionShape& shape,
                             const std::vector<int>& before,
                             const std::vector<int>& lengths,
                             size_t workspace_bytes) {
  std::vector<int32_t> starts = starts_of(lengths), positions;
  int longest = 0;
  for (size_t s = 0; s < lengths.size(); ++s) {
    longest = std::max(longest, before[s] + lengths[s]);
    for (int i = 0; i < lengths[s]; ++i) positions.push_back(before[s] + i);
  }
  // Twice the need: launches have room for splits that no sequence has.
  const int stride = 2 * (longest / shape.block_size + 1);
  std::vector<int32_t> tables(lengths.size() * stride);
  std::iota(tables.begin(), tables.end(), 1);
  std::shuffle(tables.begin(), tables.end(), std::mt19937(3));
  const int64_t block_floats = int64_t{shape.num_kv_heads} * shape.block_size * shape.head_dim;
  const auto cache_floats = static_cast<int64_t>(tables.size() + 1) * block_floats;
  std::vector<float> k = random_floats(cache_floats, 11u), v = random_floats(cache_floats, 12u);
  // What no token has written yet must not be looked at.
  for (size_t s = 0; s < lengths.size(); ++s)
    for (int p = before[s]; p < stride * shape.block_size; ++p)
      for (int h = 0; h < shape.num_kv_heads; ++h) {
        const int64_t block = tables[s * stride + p / shape.block_size];
        const int64_t row =
            (block * shape.num_kv_heads + h) * shape.block_size + p % shape.block_size;
        std::fill_n(k.begin() + row * shape.head_dim, shape.head_dim, NAN);
        std::fill_n(v.begin() + row * shape.head_dim, shape.head_dim, NAN);
      }
  const int64_t n = starts.back();
  const int64_t q_cols = shape.num_heads * shape.query_stride;
  const int64_t kv_cols = shape.num_kv_heads * shape.head_dim;
  const int64_t out_cols = shape.num_heads * shape.head_dim;
  AttentionInputs inputs = random_inputs(shape, static_cast<int>(n), 5);
  std::vector<float> expected(n * out_cols);

  const OnDevice<float> d_query(inputs.query), d_key(inputs.key), d_value(inputs.value);
  const OnDevice<float> d_k(k), d_v(v), d_output(std::vector<float>(n * out_cols, -1.0f));
  const OnDevice<int32_t> d_starts(starts), d_positions(positions), d_tables(tables);
  AttentionParams params = {.query = view_f32(inputs.query.data(), n, q_cols),
                            .key = view_f32(inputs.key.data(), n, kv_cols),
                            .value = view_f32(inputs.value.data(), n, kv_cols),
                            .num_heads = shape.num_heads,
                            .num_kv_heads = shape.num_kv_heads,
                            .head_dim = shape.head_dim,
                            .query_stride = shape.query_stride,
                            .cache = {.k = k.data(), .v = v.data(), .block_size = shape.block_size},
                            .num_sequences = static_cast<int>(lengths.size()),
                            .sequence_starts = column(starts),
                            .positions = column(positions),
                            .block_tables = tables.data(),
                            .block_table_stride = stride,
                            .output = view_f32(expected.data(), n, out_cols)};
  Machine reference(Backend::kReference);
  reference.run(&KernelTable::attention, params);
  params.query = matrix(d_query, n, q_cols);
  params.key = matrix(d_key, n, kv_cols);
  params.value = matrix(d_value, n, kv_cols);
  params.cache = {.k = d_k.data(), .v = d_v.data(), .block_size = shape.block_size};
  params.sequence_starts = column(d_starts, static_cast<int64_t>(starts.size()));
  params.positions = column(d_positions, n);
  params.block_tables = d_tables.data();
  params.output = matrix(d_output, n, out_cols);
  GpuMachine gpu(workspace_bytes);
  gpu.run(&KernelTable::attention, params);
  expect_same_bits(expected, d_output.download());
  expect_same_bits(k, d_k.download());
  expect_same_bits(v, d_v.download());
}

TEST(CudaAttention, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const size_t workspace : {size_t{0}, size_t{1} << 26}) {
    SCOPED_TRACE(testing::Message() << "workspace " << workspace);
    expect_equals_reference(kShape, {0}, {0}, workspace);
    expect_equals_reference(kShape, {0}, {1}, workspace);
    expect_equals_reference(kShape, {700}, {1}, workspace);
    expect_equals_reference(kShape, {0, 255, 256, 511, 9}, {37, 1, 2, 3, 0}, workspace);
    expect_equals_reference({.num_heads = 16,
                             .num_kv_heads = 2,
                             .head_dim = 256,
                             .query_stride = 512,
                             .block_size = 16},
                            {300, 0},
                            {5, 3},
                            workspace);
    expect_equals_reference(
        {.num_heads = 3, .num_kv_heads = 1, .head_dim = 40, .query_stride = 40, .block_size = 256},
        {600, 31},
        {2, 40},
        workspace);
  }
}

AttentionShape wide(int num_heads, int num_kv_heads) {
  return {.num_heads = num_heads,
          .num_kv_heads = num_kv_heads,
          .head_dim = 256,
          .query_stride = 512,
          .block_size = 32};
}

TEST(CudaAttention, EqualsReferenceOfWideHeads) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const size_t workspace : {size_t{0}, size_t{1} << 26}) {
    SCOPED_TRACE(testing::Message() << "workspace " << workspace);
    // One token each: first and last positions of splits, a sequence without a token.
    expect_equals_reference(wide(16, 2), {0}, {1}, workspace);
    expect_equals_reference(wide(16, 2), {255, 256, 600, 7, 3}, {1, 1, 1, 1, 0}, workspace);
    expect_equals_reference(wide(32, 2), {1, 300}, {1, 1}, workspace);
    // Prompts: around the edges of tiles (4 tokens), of keys (32), values (16) and splits.
    expect_equals_reference(wide(16, 2), {0}, {45}, workspace);
    expect_equals_reference(wide(8, 1), {0, 13, 249, 254}, {3, 4, 5, 6}, workspace);
    expect_equals_reference(wide(8, 1), {509}, {7}, workspace);
    // Heads that fill a tile with 4, 2, 1 a token, and so with more tokens.
    expect_equals_reference(wide(4, 1), {250}, {9}, workspace);
    expect_equals_reference(wide(6, 3), {0, 240}, {17, 20}, workspace);
    expect_equals_reference(wide(3, 1), {2}, {33}, workspace);
    // Prompts among sequences with one token.
    expect_equals_reference(wide(8, 1), {300, 10, 0, 255, 4}, {1, 6, 1, 2, 1}, workspace);
  }
}

// More than a launch gives each split a cluster of its own: a cluster takes several.
TEST(CudaAttention, SharesClustersAmongSplits) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::vector<int> before;
  for (int s = 0; s < 48; ++s) before.push_back(s % 5 == 0 ? 1300 - s : 23 * s);
  expect_equals_reference(wide(2, 2), before, std::vector<int>(48, 1), size_t{1} << 26);
}

TEST(CudaAttention, FindsTheTilesOfManySequences) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::vector<int> before, lengths;
  for (int s = 0; s < 70; ++s) {
    before.push_back(s % 3);
    lengths.push_back(s % 7);
  }
  expect_equals_reference(wide(2, 1), before, lengths, 0);
}

}  // namespace
}  // namespace shoal::kernels
