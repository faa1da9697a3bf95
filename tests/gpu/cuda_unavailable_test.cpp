// A build without CUDA refuses the backend in words that say what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/kernel_table.h"
#include "runtime/base/error.h"

namespace shoal::kernels {
namespace {

TEST(CudaUnavailable, IsRefusedInWords) {
  try {
    select_kernels(Backend::kCuda);
    FAIL() << "there is a table";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("SHOAL_CUDA=ON"));
  }
}

}  // namespace
}  // namespace shoal::kernels
