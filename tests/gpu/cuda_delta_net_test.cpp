// The recurrence and its state, to the bit; for softplus that is a statement about the numbers
// tried here (kernels/cuda/cuda_ops.h). Dims with a kernel of their own and without.
#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/delta_net_case.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

void expect_equals_reference(const DeltaNetShape& shape, const std::vector<int>& lengths) {
  std::vector<int32_t> starts = starts_of(lengths), slots;
  for (size_t s = 0; s < lengths.size(); ++s) slots.push_back(static_cast<int32_t>(4 - s));
  const int64_t n = starts.back();
  DeltaNetInputs inputs = random_inputs(shape, static_cast<int>(n), 5);
  const DeltaNetCase weights(shape, 9);
  std::vector<float> state = random_floats(5 * shape.slot_floats(), 7u);
  const OnDevice<float> mixed(inputs.mixed), alpha(inputs.alpha), beta(inputs.beta);
  const OnDevice<float> a(weights.a), dt_bias(weights.dt_bias), d_state(state);
  const OnDevice<int32_t> d_starts(starts), d_slots(slots);
  const int64_t cols = shape.num_v_heads * shape.dim;
  const OnDevice<float> output(std::vector<float>(n * cols, -1.0f));
  const std::vector<float> expected = [&] {
    Machine reference(Backend::kReference);
    return weights.run(reference, inputs, lengths, slots, state);
  }();
  GpuMachine gpu;
  const auto count = static_cast<int>(lengths.size());
  gpu.run(&KernelTable::delta_net,
          {.mixed = matrix(mixed, n, shape.mixed_cols()),
           .alpha = matrix(alpha, n, shape.num_v_heads),
           .beta = matrix(beta, n, shape.num_v_heads),
           .a = a.data(),
           .dt_bias = dt_bias.data(),
           .num_k_heads = shape.num_k_heads,
           .num_v_heads = shape.num_v_heads,
           .dim = shape.dim,
           .epsilon = weights.epsilon,
           .state = d_state.data(),
           .num_sequences = count,
           .sequence_starts = column(d_starts, count + 1),
           .state_slots = column(d_slots, count),
           .output = matrix(output, n, cols)});
  expect_same_bits(expected, output.download());
  expect_same_bits(state, d_state.download());
}

TEST(CudaDeltaNet, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const DeltaNetShape& shape : {DeltaNetShape{2, 4, 128},
                                     DeltaNetShape{1, 3, 64},
                                     DeltaNetShape{2, 2, 40},
                                     DeltaNetShape{1, 1, 256}})
    for (const std::vector<int>& lengths :
         {std::vector<int>{0}, std::vector<int>{1}, std::vector<int>{3, 0, 1, 67}}) {
      SCOPED_TRACE(testing::Message() << "dim " << shape.dim << ", " << lengths.size());
      expect_equals_reference(shape, lengths);
    }
}

}  // namespace
}  // namespace shoal::kernels
