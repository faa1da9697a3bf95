#include <cmath>

#include "tests/unit/kernels/attention_case.h"

namespace shoal::kernels {
namespace {

TEST(Attention, OneTokenReturnsItsValue) {
  const AttentionShape shape{4, 2, 8, 8, 4};
  PagedCache cache(shape, 1, 4, 1);
  const AttentionInputs inputs = random_inputs(shape, 1, 3);
  Machine machine(Backend::kReference);
  const std::vector<float> output = cache.run(machine, inputs, {1}, {0});
  // The softmax of one score is 1. Query heads 0, 1 read KV head 0; 2, 3 read KV head 1.
  for (int h = 0; h < 4; ++h)
    for (int d = 0; d < 8; ++d) EXPECT_EQ(output[h * 8 + d], inputs.value[h / 2 * 8 + d]);
}

TEST(Attention, EqualKeysAverageTheValuesSeenSoFar) {
  const AttentionShape shape{1, 1, 8, 8, 16};
  const int rows = 300;
  PagedCache cache(shape, 1, rows, 1);
  AttentionInputs inputs = random_inputs(shape, rows, 3);
  std::fill(inputs.key.begin(), inputs.key.end(), 0.5f);
  for (int t = 0; t < rows; ++t) inputs.value[t * 8] = static_cast<float>(t);
  Machine machine(Backend::kReference);
  const std::vector<float> output = cache.run(machine, inputs, {rows}, {0});
  // Sums of integers are exact; the division by the count and the product round once each.
  for (int t = 0; t < rows; ++t) EXPECT_NEAR(output[t * 8], t / 2.0, t / 2.0 * 2 * 0x1p-24);
}

// Softmax attention in double over a sequence that starts at position 0.
std::vector<double> exact_output(const AttentionShape& shape,
                                 const AttentionInputs& inputs,
                                 int token,
                                 int head) {
  const int dim = shape.head_dim;
  const int kv_head = head * shape.num_kv_heads / shape.num_heads;
  const float* q = &inputs.query[(token * shape.num_heads + head) * shape.query_stride];
  std::vector<double> output(dim, 0.0);
  double sum = 0.0;
  for (int s = 0; s <= token; ++s) {
    const int64_t at = (int64_t{s} * shape.num_kv_heads + kv_head) * dim;
    double score = 0.0;
    for (int d = 0; d < dim; ++d) score += double{q[d]} * inputs.key[at + d];
    const double weight = std::exp(score / std::sqrt(double(dim)));
    sum += weight;
    for (int d = 0; d < dim; ++d) output[d] += weight * inputs.value[at + d];
  }
  for (double& value : output) value /= sum;
  return output;
}

TEST(Attention, MatchesDoubleAcrossSplits) {
  const AttentionShape shape{6, 2, 32, 64, 16};
  const int rows = 700;
  PagedCache cache(shape, 1, rows, 1);
  const AttentionInputs inputs = random_inputs(shape, rows, 3);
  Machine machine(Backend::kReference);
  const std::vector<float> output = cache.run(machine, inputs, {rows}, {0});
  // Normal inputs keep |score| below 8 and |v| below 5. A score is off by at most (32/8 + 3 + 2)
  // half ulps of 8, which is a relative error of its weight, as is exp's ulp; the sums of at most
  // 256 terms and their merging add 256 + 8 half ulps. Weights and values sum to at most |v|.
  const double tolerance = 5 * (9 * 8 + 2 + 264) * 0x1p-24;
  for (const int token : {0, 1, 254, 255, 256, 257, 511, 512, 699}) {
    for (int h = 0; h < shape.num_heads; ++h) {
      const std::vector<double> exact = exact_output(shape, inputs, token, h);
      for (int d = 0; d < shape.head_dim; ++d)
        ASSERT_NEAR(output[(token * shape.num_heads + h) * shape.head_dim + d], exact[d], tolerance)
            << "token " << token;
    }
  }
}

struct Case {
  AttentionShape shape;
  std::vector<int> lengths;
};

class AttentionSizes : public testing::TestWithParam<Case> {};

TEST_P(AttentionSizes, EqualsReference) {
  const auto& [shape, lengths] = GetParam();
  const int num_sequences = static_cast<int>(lengths.size());
  const int rows = starts_of(lengths).back();
  const int longest = lengths.empty() ? 1 : *std::max_element(lengths.begin(), lengths.end());
  const AttentionInputs inputs = random_inputs(shape, rows, 3);
  const std::vector<int> from_zero(num_sequences, 0);
  Machine reference(Backend::kReference);
  PagedCache expected_cache(shape, num_sequences, longest, 7);
  const std::vector<float> expected = expected_cache.run(reference, inputs, lengths, from_zero);
  for_each_backend([&](Machine& machine) {
    PagedCache cache(shape, num_sequences, longest, 7);
    expect_same_bits(expected, cache.run(machine, inputs, lengths, from_zero));
    expect_same_bits(expected_cache.keys(), cache.keys());
    expect_same_bits(expected_cache.values(), cache.values());
  });
}

INSTANTIATE_TEST_SUITE_P(
    Sizes,
    AttentionSizes,
    testing::Values(Case{{4, 2, 8, 8, 4}, {}},
                    Case{{4, 2, 8, 8, 4}, {1}},
                    Case{{4, 2, 40, 41, 1}, {3, 0, 18, 1}},
                    Case{{3, 3, 32, 64, 16}, {67, 5}},      // no sharing, odd rows
                    Case{{5, 1, 64, 64, 32}, {259, 1, 2}},  // odd group, second split of few keys
                    Case{{70, 1, 8, 8, 256}, {3}},          // a group larger than a tile
                    Case{{8, 2, 256, 512, 64}, {270}}));

TEST(Attention, ChunkingDoesNotChangeBits) {
  const AttentionShape shape{8, 2, 64, 128, 16};
  const int rows = 560;
  const AttentionInputs inputs = random_inputs(shape, rows, 5);
  Machine machine(Backend::kCpu, 2);
  PagedCache whole_cache(shape, 1, rows, 1);
  const std::vector<float> whole = whole_cache.run(machine, inputs, {rows}, {0});
  std::mt19937 generator(9);
  for (int round = 0; round < 4; ++round) {
    PagedCache cache(shape, 1, rows, 20 + round);
    std::vector<float> pieces;
    for (int begin = 0; begin < rows;) {
      const int largest = round == 0 ? 7 : 200;
      const int end = std::min(rows, begin + 1 + static_cast<int>(generator() % largest));
      const std::vector<float> piece =
          cache.run(machine, slice(shape, inputs, begin, end), {end - begin}, {begin});
      pieces.insert(pieces.end(), piece.begin(), piece.end());
      begin = end;
    }
    expect_same_bits(whole, pieces);
  }
}

TEST(Attention, ThreadsThatShareAKvHeadGiveTheSameBits) {
  const AttentionShape shape{7, 1, 64, 64, 16};
  const int rows = 300;
  const AttentionInputs inputs = random_inputs(shape, rows, 5);
  const AttentionInputs last = slice(shape, inputs, rows - 1, rows);
  PagedCache cache(shape, 1, rows, 1);
  Machine reference(Backend::kReference);
  cache.run(reference, inputs, {rows}, {0});
  const std::vector<float> expected = cache.run(reference, last, {1}, {rows - 1});
  for (const int num_threads : {1, 2, 3, 6}) {
    Machine machine(Backend::kCpu, num_threads);
    expect_same_bits(expected, cache.run(machine, last, {1}, {rows - 1}));
  }
}

TEST(Attention, CompanyDoesNotChangeBits) {
  const AttentionShape shape{4, 2, 32, 32, 16};
  const std::vector<int> lengths = {290, 3, 77};
  const AttentionInputs inputs = random_inputs(shape, 370, 5);
  Machine machine(Backend::kCpu, 2);
  PagedCache together(shape, 3, 290, 1);
  const std::vector<float> all = together.run(machine, inputs, lengths, {0, 0, 0});
  const std::vector<int32_t> starts = starts_of(lengths);
  std::vector<float> one_by_one;
  for (size_t s = 0; s < lengths.size(); ++s) {
    PagedCache alone(shape, 1, 290, 30 + s);
    const std::vector<float> piece =
        alone.run(machine, slice(shape, inputs, starts[s], starts[s + 1]), {lengths[s]}, {0});
    one_by_one.insert(one_by_one.end(), piece.begin(), piece.end());
  }
  expect_same_bits(all, one_by_one);
}

}  // namespace
}  // namespace shoal::kernels
