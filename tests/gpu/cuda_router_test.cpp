// The router: same ids, same bits, also where probabilities tie or a logit is not a number.
#include <cmath>

#include "tests/gpu/both_sides.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Choice choose(bool on_gpu, std::vector<float> logits, int64_t rows, int topk) {
  const int64_t experts = rows == 0 ? 8 : static_cast<int64_t>(logits.size()) / rows;
  Choice out = {std::vector<int32_t>(rows * topk), std::vector<float>(rows * topk)};
  if (!on_gpu) {
    Machine reference(Backend::kReference);
    reference.run(&KernelTable::router_topk,
                  {view_f32(logits.data(), rows, experts),
                   topk,
                   view_i32(out.ids.data(), rows, topk),
                   view_f32(out.weights.data(), rows, topk)});
    return out;
  }
  const OnDevice<float> device_logits(logits), weights(out.weights);
  const OnDevice<int32_t> ids(out.ids);
  GpuMachine gpu;
  gpu.run(&KernelTable::router_topk,
          {matrix(device_logits, rows, experts),
           topk,
           view_i32(ids.data(), rows, topk),
           matrix(weights, rows, topk)});
  return {ids.download(), weights.download()};
}

void expect_equals_reference(const std::vector<float>& logits, int64_t rows, int topk) {
  const Choice expected = choose(false, logits, rows, topk);
  const Choice actual = choose(true, logits, rows, topk);
  EXPECT_EQ(expected.ids, actual.ids);
  expect_same_bits(expected.weights, actual.weights);
}

TEST(CudaRouter, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t rows : {0, 1, 131})
    for (const int64_t experts : {8, 61, 256, 512, 1024})
      expect_equals_reference(random_floats(rows * experts, 3u, 3.0f), rows, 8);
}

// In the same launch where there is one row; weights named as read soon change nothing.
TEST(CudaRouter, RowsAreGroupedOnTheWay) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::mt19937 random(9);
  const WeightMatrix soon(DType::kQ8_0, 512, 2048, random);
  const DeviceWeight device_soon(soon.view());
  for (const int64_t rows : {1, 5})
    for (const int experts : {8, 61, 256, 512, 1024}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << experts << " experts");
      constexpr int kTopk = 8;
      const int64_t num_pairs = rows * kTopk;
      Both<float> logits(random_floats(rows * experts, 3u, 3.0f)), weights(num_pairs, NAN);
      Both<int32_t> ids(num_pairs, -1), starts(experts + 1, -1);
      Both<int32_t> row_of_slot(num_pairs, -1), slot_of_pair(num_pairs, -1);
      Both<ActiveRows> active(experts, ActiveRows{-1, -1, -1, -1});
      const auto groups = [&](Side side) {
        return RowGroups{.num_experts = experts,
                         .num_topk = kTopk,
                         .num_pairs = num_pairs,
                         .starts = starts.at(side),
                         .row_of_slot = row_of_slot.at(side),
                         .slot_of_pair = slot_of_pair.at(side),
                         .active = active.at(side)};
      };
      const RowGroups host = groups(Side::kHost), device = groups(Side::kDevice);
      run_on_both(&KernelTable::router_topk, [&](Side side) {
        const bool on_host = side == Side::kHost;
        return RouterParams{.logits = logits.rows(side, rows, experts),
                            .num_topk = kTopk,
                            .topk_ids = ids.rows(side, rows, kTopk),
                            .topk_weights = weights.rows(side, rows, kTopk),
                            .groups = on_host ? &host : &device,
                            .ahead = {&device_soon.view(), 1}};
      });
      ids.expect_same();
      weights.expect_same();
      starts.expect_same();
      row_of_slot.expect_same();
      slot_of_pair.expect_same();
      active.expect_same();
    }
}

TEST(CudaRouter, TiesGoToTheLowestId) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::vector<float> logits = random_floats(64 * 256, 4u);
  for (float& logit : logits) logit = std::round(logit);
  expect_equals_reference(logits, 64, 10);
  // Probabilities of zero are chosen too.
  std::vector<float> steep(256, -1000.0f);
  steep[77] = 0.0f;
  expect_equals_reference(steep, 1, 8);
}

TEST(CudaRouter, ARowWithNanGetsTheFirstIds) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int at : {0, 100}) {
    std::vector<float> logits = random_floats(256, 5u);
    logits[at] = NAN;
    const Choice choice = choose(true, logits, 1, 8);
    for (int k = 0; k < 8; ++k) {
      EXPECT_EQ(choice.ids[k], k);
      EXPECT_TRUE(std::isnan(choice.weights[k]));
    }
  }
}

}  // namespace
}  // namespace shoal::kernels
