// Bytes from a peer on the control link, in both directions, and the text form of plans: what is
// taken for a message is written back as the same bytes, and nothing else happens.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/control/messages.h"
#include "runtime/plan/plan_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shoal;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto message = control::decode_to_worker(bytes))
    SHOAL_ASSERT(std::ranges::equal(control::encode(*message), bytes), "{} bytes", size);
  if (const auto message = control::decode_to_coordinator(bytes))
    SHOAL_ASSERT(std::ranges::equal(control::encode(*message), bytes), "{} bytes", size);

  std::string error;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  if (const auto plan = plan::parse_plan(line, error)) {
    const std::string text = plan::to_text(*plan);
    const auto again = plan::parse_plan(text, error);
    SHOAL_ASSERT(again && *again == *plan, "{}", text);
  }
  return 0;
}
