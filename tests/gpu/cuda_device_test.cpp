// The owners of CUDA's resources, and the check that everything goes through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/device/cuda_buffer.h"
#include "runtime/device/cuda_check.h"
#include "runtime/device/cuda_launch.h"
#include "runtime/device/cuda_stream.h"

namespace shoal::device {
namespace {

using testing::HasSubstr;

TEST(CudaCheck, ThrowsCallTextWordsAndTheCallersPlace) {
  const unsigned line = __LINE__ + 2;
  try {
    cuda_check(cudaErrorInvalidValue, "cudaSomething(3)");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnexpected);
    EXPECT_EQ(error.place().line(), line);
    EXPECT_THAT(error.place().file_name(), HasSubstr("cuda_device_test.cpp"));
    EXPECT_THAT(error.what(), HasSubstr("cudaSomething(3)"));
    EXPECT_THAT(error.what(), HasSubstr("cudaErrorInvalidValue"));
  }
  EXPECT_NO_THROW(cuda_check(cudaSuccess, "cudaSomething(4)"));
}

class CudaDevice : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!cuda_answers(reason)) GTEST_SKIP() << "no GPU answers: " << reason;
  }
};

void not_a_kernel(int) {}

TEST_F(CudaDevice, AFailedLaunchNamesItsPlace) {
  const CudaStream stream;
  const unsigned line = __LINE__ + 2;
  try {
    const Launch launch({.grid = dim3(1), .block = dim3(32), .stream = stream.view()});
    launch(not_a_kernel, 1);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.place().line(), line);
    EXPECT_THAT(error.what(), HasSubstr("kernel launch"));
  }
  EXPECT_NO_THROW(
      Launch({.grid = dim3(0), .block = dim3(32), .stream = stream.view()})(not_a_kernel, 1));
}

TEST_F(CudaDevice, MemoryThatIsNotThereDoesNotFit) {
  try {
    const DeviceBuffer buffer(size_t{1} << 50);
    FAIL() << "a petabyte was given";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kDoesNotFit);
    EXPECT_THAT(error.what(), HasSubstr("cudaMalloc of"));
  }
}

TEST_F(CudaDevice, BytesComeBackThroughPinnedMemory) {
  constexpr size_t kBytes = 1000003;
  const CudaStream stream;
  const PinnedBuffer there(kBytes), back(kBytes);
  for (size_t i = 0; i < kBytes; ++i) there.data()[i] = static_cast<std::byte>(i * 7);
  DeviceBuffer first(kBytes);
  const DeviceBuffer device = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  stream.copy_to_device(device.data(), there.data(), kBytes);
  stream.copy_to_host(back.data(), device.data(), kBytes);
  stream.synchronize();
  EXPECT_EQ(std::memcmp(there.data(), back.data(), kBytes), 0);
}

TEST_F(CudaDevice, EventsOfOneStreamAreInOrder) {
  const CudaStream stream;
  const CudaEvent begin, end;
  begin.record(stream);
  end.record(stream);
  EXPECT_GE(end.milliseconds_since(begin), 0.0f);
}

}  // namespace
}  // namespace shoal::device
