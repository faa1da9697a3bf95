// Residual, norm and the formats of its result; SiLU and its formats; to the bit.
#include "tests/gpu/both_sides.h"

namespace shoal::kernels {
namespace {

TEST(CudaNormInputs, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t cols : {32, 96, 2048, 4096, 8192})
    for (const int64_t n : {1, 3})
      for (const bool with_addend : {false, true}) {
        SCOPED_TRACE(testing::Message() << n << " x " << cols << ", addend " << with_addend);
        Both<float> hidden(random_floats(n * cols, 3u)), addend(random_floats(n * cols, 4u));
        Both<float> weight(random_floats(cols, 5u));
        BothRows output(n, cols);
        run_on_both(&KernelTable::norm_inputs, [&](Side side) {
          return NormInputsParams{.hidden = hidden.rows(side, n, cols),
                                  .addend = with_addend ? addend.rows(side, n, cols) : TensorView{},
                                  .weight = weight.at(side),
                                  .epsilon = 1e-6f,
                                  .output = output.rows(side)};
        });
        hidden.expect_same();
        output.expect_same();
      }
}

TEST(CudaSiluInputs, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t cols : {32, 512, 1056})
    for (const int64_t n : {1, 7}) {
      Both<float> gate(random_floats(n * cols, 6u)), up(random_floats(n * cols, 7u));
      BothRows output(n, cols);
      run_on_both(&KernelTable::silu_inputs, [&](Side side) {
        return SiluInputsParams{.mul = {.gate = gate.rows(side, n, cols),
                                        .up = up.rows(side, n, cols),
                                        .output = output.f32(side)},
                                .output = output.rows(side)};
      });
      output.expect_same();
    }
}

}  // namespace
}  // namespace shoal::kernels
