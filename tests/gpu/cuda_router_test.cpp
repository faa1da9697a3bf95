// The router: same ids, same bits, also where probabilities tie or a logit is not a number.
#include <cmath>

#include "tests/gpu/gpu_machine.h"
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
