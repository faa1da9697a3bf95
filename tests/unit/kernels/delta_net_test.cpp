#include <algorithm>
#include <cmath>
#include <tuple>

#include "tests/unit/kernels/delta_net_case.h"

namespace shoal::kernels {
namespace {

using Rows = std::vector<std::vector<double>>;

// The recurrence in its closed form over a whole sequence from an empty state, in double: with
// cumulative log decays c_t, e_t = beta_t (v_t - sum over s < t of exp(c_t - c_s) (k_s . k_t) e_s)
// and o_t = sum over s <= t of exp(c_t - c_s) (k_s . q_t) e_s. No state matrix appears.
Rows closed_form(const DeltaNetCase& net, const DeltaNetInputs& inputs, int rows, int head) {
  const int dim = net.shape.dim;
  auto unit = [&](int t, int first) {
    std::vector<double> x(dim);
    double squares = 0.0;
    for (int i = 0; i < dim; ++i) {
      x[i] = inputs.mixed[t * net.shape.mixed_cols() + first + i];
      squares += x[i] * x[i];
    }
    for (double& value : x) value /= std::max(std::sqrt(squares), double{net.epsilon});
    return x;
  };
  auto dot = [](const std::vector<double>& x, const std::vector<double>& y) {
    double sum = 0.0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
    return sum;
  };
  const int k_head = head % net.shape.num_k_heads;
  Rows k, e, output;
  std::vector<double> log_decay;
  for (int t = 0; t < rows; ++t) {
    const int scalar = t * net.shape.num_v_heads + head;
    const double g =
        net.a[head] * std::log1p(std::exp(double{inputs.alpha[scalar]} + net.dt_bias[head]));
    log_decay.push_back(g + (t > 0 ? log_decay.back() : 0.0));
    const double beta = 1.0 / (1.0 + std::exp(-double{inputs.beta[scalar]}));
    const std::vector<double> q = unit(t, k_head * dim);
    k.push_back(unit(t, (net.shape.num_k_heads + k_head) * dim));
    const float* v =
        &inputs.mixed[t * net.shape.mixed_cols() + (2 * net.shape.num_k_heads + head) * dim];
    std::vector<double> error(v, v + dim);
    for (int s = 0; s < t; ++s) {
      const double weight = std::exp(log_decay[t] - log_decay[s]) * dot(k[s], k[t]);
      for (int j = 0; j < dim; ++j) error[j] -= weight * e[s][j];
    }
    for (double& value : error) value *= beta;
    e.push_back(error);
    std::vector<double> o(dim, 0.0);
    for (int s = 0; s <= t; ++s) {
      const double weight = std::exp(log_decay[t] - log_decay[s]) * dot(k[s], q);
      for (int j = 0; j < dim; ++j) o[j] += weight / std::sqrt(double(dim)) * e[s][j];
    }
    output.push_back(o);
  }
  return output;
}

TEST(DeltaNet, MatchesTheClosedFormInDouble) {
  const DeltaNetShape shape{2, 6, 16};
  const DeltaNetCase net(shape, 1);
  const int rows = 40;
  const DeltaNetInputs inputs = random_inputs(shape, rows, 5);
  std::vector<float> state(shape.slot_floats(), 0.0f);
  Machine machine(Backend::kReference);
  const std::vector<float> output = net.run(machine, inputs, {rows}, {0}, state);
  // One token rounds a column some 3 * dim + 10 times by half an ulp of values below 4; the errors
  // of earlier tokens are contracted by the decay and by I - beta k k^T, so they at most add up.
  const double tolerance = rows * (3 * shape.dim + 10) * 0x1p-24 * 4;
  for (int h = 0; h < shape.num_v_heads; ++h) {
    const Rows exact = closed_form(net, inputs, rows, h);
    for (int t = 0; t < rows; ++t)
      for (int j = 0; j < shape.dim; ++j)
        ASSERT_NEAR(output[(t * shape.num_v_heads + h) * shape.dim + j], exact[t][j], tolerance);
  }
}

TEST(DeltaNet, FirstTokenStoresAndReads) {
  // From an empty state S = beta k v^T and o = beta (k . q) v / sqrt(dim). k and q are the same
  // unit vector, beta = 1/2; the logarithm of the decay does not matter.
  const DeltaNetShape shape{1, 1, 16};
  const DeltaNetCase net(shape, 1);
  DeltaNetInputs inputs{std::vector<float>(48, 0.0f), {0.3f}, {0.0f}};
  inputs.mixed[2] = 5.0f;
  inputs.mixed[16 + 2] = 3.0f;
  for (int j = 0; j < 16; ++j) inputs.mixed[32 + j] = static_cast<float>(8 * j);
  std::vector<float> state(shape.slot_floats(), 0.0f);
  Machine machine(Backend::kReference);
  const std::vector<float> output = net.run(machine, inputs, {1}, {0}, state);
  // One over five is not exact: two roundings in q, two in k.
  for (int j = 0; j < 16; ++j) {
    EXPECT_NEAR(output[j], j, j * 4 * 0x1p-24);
    EXPECT_NEAR(state[2 * 16 + j], 4 * j, 4 * j * 2 * 0x1p-24);
    EXPECT_EQ(state[3 * 16 + j], 0.0f);
  }
}

class DeltaNetSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(DeltaNetSizes, EqualsReference) {
  const auto [dim, repeat] = GetParam();
  const DeltaNetShape shape{2, 2 * repeat, dim};
  const DeltaNetCase net(shape, 1);
  for (const std::vector<int>& lengths : {std::vector<int>{}, {1}, {2, 0, 1, 9}, {33, 1}}) {
    const DeltaNetInputs inputs = random_inputs(shape, starts_of(lengths).back(), 3);
    const std::vector<float> before = random_floats(5 * shape.slot_floats(), 4, 0.1f);
    std::vector<int32_t> slots = {4, 0, 3, 1};
    slots.resize(lengths.size());
    Machine reference(Backend::kReference);
    std::vector<float> expected_state = before;
    const std::vector<float> expected = net.run(reference, inputs, lengths, slots, expected_state);
    for_each_backend([&](Machine& machine) {
      std::vector<float> state = before;
      expect_same_bits(expected, net.run(machine, inputs, lengths, slots, state));
      expect_same_bits(expected_state, state);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         DeltaNetSizes,
                         testing::Combine(testing::Values(8, 32, 40, 128), testing::Values(1, 3)));

}  // namespace
}  // namespace shoal::kernels
