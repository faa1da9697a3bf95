// A client that does not read: what waits for it is bounded, and the end still reaches it.
#include "runtime/coordinator/http/event_queue.h"

#include <gtest/gtest.h>

namespace shoal::http {
namespace {

size_t text_bytes(const std::deque<StreamEvent>& events) {
  size_t bytes = 0;
  for (const StreamEvent& event : events)
    if (const auto* delta = std::get_if<coordinator::Delta>(&event.what))
      bytes += delta->text.size();
  return bytes;
}

TEST(EventQueue, HoldsNoMoreThanItsBoundForASlowReader) {
  const auto queue = std::make_shared<EventQueue>();
  QueueSink sink(queue, 0);
  for (int i = 0; i < 10'000; ++i) sink.delta({.text = std::string(1000, 'x'), .token_ids = {i}});
  EXPECT_TRUE(queue->overflowed());
  sink.finished({});
  const auto events = queue->take();
  EXPECT_LE(text_bytes(events), kMaxQueuedBytes);
  EXPECT_GT(text_bytes(events), kMaxQueuedBytes / 2);
  ASSERT_FALSE(events.empty());
  EXPECT_TRUE(std::holds_alternative<coordinator::Finished>(events.back().what));
  sink.delta({.text = "more"});
  EXPECT_TRUE(queue->take().empty()) << "a gap in the text would follow";
}

TEST(EventQueue, AReaderThatKeepsUpMayReadForEver) {
  const auto queue = std::make_shared<EventQueue>();
  QueueSink sink(queue, 0);
  for (int i = 0; i < 10'000; ++i) {
    sink.delta({.text = std::string(1000, 'x'), .token_ids = {i}});
    ASSERT_EQ(queue->take().size(), 1u);
  }
  EXPECT_FALSE(queue->overflowed());
}

}  // namespace
}  // namespace shoal::http
