#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/cpu/instruction_set.h"
#include "kernels/kernel_table.h"
#include "runtime/base/error.h"

namespace shoal::kernels {
namespace {

// Sets SHOAL_FORCE_ISA for one test.
class SelectKernels : public testing::Test {
 protected:
  void force(const char* isa) { ::setenv("SHOAL_FORCE_ISA", isa, 1); }
  void TearDown() override { ::unsetenv("SHOAL_FORCE_ISA"); }
};

TEST_F(SelectKernels, ReferenceIsWhatItSays) {
  EXPECT_STREQ(select_kernels(Backend::kReference).name, "reference");
}

TEST_F(SelectKernels, CpuIsTheWidestSetOfThisMachine) {
  const std::string name = select_kernels(Backend::kCpu).name;
  EXPECT_EQ(name, cpu::has_avx512() ? "avx512" : cpu::has_avx2() ? "avx2" : "reference");
}

TEST_F(SelectKernels, ForcedSetNarrowsTheChoice) {
  force("reference");
  EXPECT_STREQ(select_kernels(Backend::kCpu).name, "reference");
  if (!cpu::has_avx2()) GTEST_SKIP() << "this machine has no AVX2";
  force("avx2");
  EXPECT_STREQ(select_kernels(Backend::kCpu).name, "avx2");
}

TEST_F(SelectKernels, AbsentSetsAreRefusedInWords) {
  force("avx1024");
  try {
    select_kernels(Backend::kCpu);
    FAIL() << "an unknown set was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("avx1024"), std::string::npos) << error.what();
  }
}

// No field is left out, whatever the machine.
TEST_F(SelectKernels, TablesAreComplete) {
  for (const Backend backend : {Backend::kReference, Backend::kCpu}) {
    const KernelTable& table = select_kernels(backend);
    EXPECT_TRUE(table.quantize_rows && table.matmul && table.expert_mlp && table.embed_rows &&
                table.rms_norm && table.qk_norm_rope && table.attention && table.conv_silu &&
                table.delta_net && table.gated_norm && table.router_topk && table.silu_mul &&
                table.sigmoid_mul && table.add_scaled)
        << table.name;
  }
}

}  // namespace
}  // namespace shoal::kernels
