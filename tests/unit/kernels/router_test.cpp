#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Choice choose(Machine& machine, std::vector<float> logits, int rows, int num_topk) {
  Choice out{std::vector<int32_t>(rows * num_topk), std::vector<float>(rows * num_topk)};
  const int64_t num_experts = rows == 0 ? 16 : static_cast<int64_t>(logits.size()) / rows;
  machine.run(&KernelTable::router_topk,
              {view_f32(logits.data(), rows, num_experts),
               num_topk,
               view_i32(out.ids.data(), rows, num_topk),
               view_f32(out.weights.data(), rows, num_topk)});
  return out;
}

TEST(Router, SmallRowByHand) {
  // e^logit = 1, 2, 4, 1: the two largest weigh 4/6 and 2/6.
  Machine machine(Backend::kReference);
  const float ln2 = std::log(2.0f);
  const Choice choice = choose(machine, {0, ln2, 2 * ln2, 0}, 1, 2);
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{2, 1}));
  // Six roundings on the way.
  EXPECT_NEAR(choice.weights[0], 4.0 / 6.0, 6 * 0x1p-24);
  EXPECT_NEAR(choice.weights[1], 2.0 / 6.0, 6 * 0x1p-24);
}

TEST(Router, TiesGoToTheLowestId) {
  Machine reference(Backend::kReference);
  Machine cpu(Backend::kCpu);
  for (Machine* machine : {&reference, &cpu}) {
    std::vector<float> logits(19, 1.0f);
    logits[17] = 3.0f;
    logits[4] = 2.0f;
    logits[9] = 2.0f;
    const Choice choice = choose(*machine, logits, 1, 6);
    EXPECT_EQ(choice.ids, (std::vector<int32_t>{17, 4, 9, 0, 1, 2}));
  }
}

TEST(Router, AllExpertsCanBeChosen) {
  Machine machine(Backend::kCpu);
  const Choice choice = choose(machine, {1, 3, 2}, 1, 3);
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{1, 2, 0}));
}

TEST(Router, IdsStayValidWithoutNumbers) {
  Machine reference(Backend::kReference);
  Machine cpu(Backend::kCpu);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (Machine* machine : {&reference, &cpu}) {
      std::vector<float> logits = random_floats(32, 1);
      logits[11] = bad;
      const Choice choice = choose(*machine, logits, 1, 4);
      EXPECT_EQ(choice.ids, (std::vector<int32_t>{0, 1, 2, 3}));
      EXPECT_TRUE(std::isnan(choice.weights[0]));
    }
  }
}

TEST(Router, WeightsSumToOneAndFollowTheLogits) {
  Machine machine(Backend::kReference);
  const std::vector<float> logits = random_floats(512, 5, 2.0f);
  const Choice choice = choose(machine, logits, 1, 10);
  std::vector<int32_t> order(512);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  order.resize(10);
  EXPECT_EQ(choice.ids, order);
  // Ten roundings of numbers below one.
  EXPECT_NEAR(
      std::accumulate(choice.weights.begin(), choice.weights.end(), 0.0), 1.0, 10 * 0x1p-24);
}

struct Size {
  int rows;
  int num_experts;
  int num_topk;
};

class RouterSizes : public testing::TestWithParam<Size> {};

TEST_P(RouterSizes, EqualsReference) {
  const auto [rows, num_experts, num_topk] = GetParam();
  std::vector<float> logits = random_floats(rows * num_experts, 7, 3.0f);
  // Coarse steps make ties common.
  for (float& logit : logits) logit = std::round(logit * 8) / 8;
  Machine reference(Backend::kReference);
  const Choice expected = choose(reference, logits, rows, num_topk);
  for_each_backend([&](Machine& machine) {
    const Choice actual = choose(machine, logits, rows, num_topk);
    EXPECT_EQ(expected.ids, actual.ids);
    expect_same_bits(expected.weights, actual.weights);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         RouterSizes,
                         testing::Values(Size{0, 16, 4},
                                         Size{1, 16, 4},
                                         Size{1, 1, 1},
                                         Size{5, 131, 7},
                                         Size{64, 256, 8},
                                         Size{333, 512, 10}));

}  // namespace
}  // namespace shoal::kernels
