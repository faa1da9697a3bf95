// Which tokens a sequence holds, for penalties: each id once, with how often it was generated (as
// against given in the prompt).
#pragma once
#include <cstdint>
#include <unordered_map>

namespace shoal::engine {

class TokenHistory {
 public:
  void add(int32_t token, bool generated) {
    times_generated_[token] += generated ? 1 : 0;
    ++length_;
  }
  int64_t length() const { return length_; }
  // By id, in no order: what is done for one id must not depend on others.
  const std::unordered_map<int32_t, int32_t>& times_generated() const { return times_generated_; }

 private:
  std::unordered_map<int32_t, int32_t> times_generated_;
  int64_t length_ = 0;
};

}  // namespace shoal::engine
