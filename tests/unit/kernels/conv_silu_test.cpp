#include <cmath>
#include <tuple>

#include "tests/unit/kernels/delta_net_case.h"

namespace shoal::kernels {
namespace {

TEST(ConvSilu, SmallCaseByHand) {
  // One channel, taps 1, 10, 100, 1000; history 1, 2, 3 (oldest first); inputs 4 and 5. SiLU of
  // such sums is the identity.
  ConvCase conv(1, 4, 0);
  conv.weight = {1, 10, 100, 1000};
  std::vector<float> state = {1, 2, 3};
  Machine machine(Backend::kReference);
  EXPECT_EQ(conv.run(machine, {4, 5}, {2}, {0}, state), (std::vector<float>{4321, 5432}));
  EXPECT_EQ(state, (std::vector<float>{3, 4, 5}));
}

TEST(ConvSilu, AppliesSilu) {
  ConvCase conv(1, 1, 0);
  conv.weight = {1};
  std::vector<float> state;
  Machine machine(Backend::kReference);
  // Three ulp of the result: tests/unit/kernels/math_test.cpp.
  const double exact = -2.0 / (1.0 + std::exp(2.0));
  EXPECT_NEAR(conv.run(machine, {-2}, {1}, {0}, state)[0], exact, 3 * 0x1p-23 * std::fabs(exact));
}

TEST(ConvSilu, SequencesKeepToTheirSlots) {
  ConvCase conv(1, 2, 0);
  conv.weight = {1, 100};
  std::vector<float> state = {7, 8, 9};
  Machine machine(Backend::kReference);
  // Sequences on slots 2 and 0, and one without rows on slot 1.
  EXPECT_EQ(conv.run(machine, {1, 2}, {1, 0, 1}, {2, 1, 0}, state), (std::vector<float>{109, 207}));
  EXPECT_EQ(state, (std::vector<float>{2, 8, 1}));
}

class ConvSiluSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(ConvSiluSizes, EqualsReference) {
  const auto [channels, kernel] = GetParam();
  const ConvCase conv(channels, kernel, 1);
  for (const std::vector<int>& lengths : {std::vector<int>{}, {1}, {2, 0, 1, 5}, {37, 1, 1}}) {
    const int rows = starts_of(lengths).back();
    const std::vector<float> input = random_floats(rows * channels, 2);
    const std::vector<float> before = random_floats(5 * (kernel - 1) * channels, 3);
    std::vector<int32_t> slots = {4, 0, 3, 1};
    slots.resize(lengths.size());
    Machine reference(Backend::kReference);
    std::vector<float> expected_state = before;
    const std::vector<float> expected = conv.run(reference, input, lengths, slots, expected_state);
    for_each_backend([&](Machine& machine) {
      std::vector<float> state = before;
      expect_same_bits(expected, conv.run(machine, input, lengths, slots, state));
      expect_same_bits(expected_state, state);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         ConvSiluSizes,
                         testing::Combine(testing::Values(1, 7, 64, 131, 4096),
                                          testing::Values(1, 2, 4, 8)));

}  // namespace
}  // namespace shoal::kernels
