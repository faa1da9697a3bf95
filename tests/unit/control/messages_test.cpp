#include "runtime/control/messages.h"

#include <gtest/gtest.h>

#include "tests/unit/control/sample_messages.h"

namespace shoal::control {
namespace {

TEST(Messages, RoundTrip) {
  for (const ToWorker& message : worker_messages()) {
    const auto back = decode_to_worker(encode(message));
    ASSERT_TRUE(back) << message.index();
    EXPECT_EQ(*back, message);
  }
  for (const ToCoordinator& message : coordinator_messages()) {
    const auto back = decode_to_coordinator(encode(message));
    ASSERT_TRUE(back) << message.index();
    EXPECT_EQ(*back, message);
  }
}

TEST(Messages, EveryCutIsRefused) {
  for (const ToWorker& message : worker_messages()) {
    const auto bytes = encode(message);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_to_worker(std::span(bytes).first(size)))
          << message.index() << " " << size;
  }
  for (const ToCoordinator& message : coordinator_messages()) {
    const auto bytes = encode(message);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_to_coordinator(std::span(bytes).first(size))) << size;
  }
}

TEST(Messages, BytesAfterTheEndAreRefused) {
  auto bytes = encode(ToWorker{Leave{"bye"}});
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_to_worker(bytes));
}

}  // namespace
}  // namespace shoal::control
