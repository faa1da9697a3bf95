// The requests that run or wait, as the doors know them: whose they are, since when, how far. Any
// thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace shoal::coordinator {

struct LiveRequest {
  std::string id, owner;
  std::chrono::steady_clock::time_point since{};
  int64_t prompt_tokens = 0, generated_tokens = 0;
};

class RequestLedger {
 public:
  void open(const LiveRequest& request);
  void generated(const std::string& id, int64_t tokens);
  void close(const std::string& id);

  std::optional<std::string> owner(const std::string& id) const;
  std::vector<LiveRequest> list() const;  // oldest first
  // Tokens generated in each of the last `seconds` whole seconds (at most 60), per second.
  double tokens_per_second(int seconds) const;

 private:
  static int64_t now_second();

  mutable std::mutex mutex_;
  std::map<std::string, LiveRequest> live_;
  static constexpr int kSlots = 64;
  struct Slot {
    int64_t second = -1, tokens = 0;
  };
  Slot slots_[kSlots];
};

}  // namespace shoal::coordinator
