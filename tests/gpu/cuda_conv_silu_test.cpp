// The convolution and its state, to the bit, for sequences without, with one and with many rows.
#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/delta_net_case.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

TEST(CudaConvSilu, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const std::vector<int>& lengths :
       {std::vector<int>{0}, std::vector<int>{1}, std::vector<int>{3, 0, 1, 130}})
    for (const int kernel : {1, 4, 8}) {
      const int channels = 333;
      std::vector<int32_t> starts = starts_of(lengths), slots;
      for (size_t s = 0; s < lengths.size(); ++s) slots.push_back(static_cast<int32_t>(5 - s));
      const int64_t n = starts.back();
      std::vector<float> input = random_floats(n * channels, 1u), output(input.size());
      std::vector<float> weight = random_floats(channels * kernel, 2u);
      std::vector<float> state = random_floats(6 * (kernel - 1) * channels, 3u);
      const OnDevice<float> d_input(input), d_weight(weight), d_state(state), d_output(output);
      const OnDevice<int32_t> d_starts(starts), d_slots(slots);
      const auto count = static_cast<int>(lengths.size());
      Machine reference(Backend::kReference);
      reference.run(&KernelTable::conv_silu,
                    {view_f32(input.data(), n, channels),
                     weight.data(),
                     kernel,
                     state.data(),
                     count,
                     column(starts),
                     column(slots),
                     view_f32(output.data(), n, channels)});
      GpuMachine gpu;
      gpu.run(&KernelTable::conv_silu,
              {matrix(d_input, n, channels),
               d_weight.data(),
               kernel,
               d_state.data(),
               count,
               column(d_starts, count + 1),
               column(d_slots, count),
               matrix(d_output, n, channels)});
      expect_same_bits(output, d_output.download());
      expect_same_bits(state, d_state.download());
    }
}

}  // namespace
}  // namespace shoal::kernels
