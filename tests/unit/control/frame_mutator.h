// Damaged frames, the same ones for the same seed: bits, cuts, repeats, and counts that promise far
// more than follows.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace shoal::control {

class FrameMutator {
 public:
  explicit FrameMutator(uint32_t seed) : random_(seed) {}

  std::vector<std::byte> mutate(std::vector<std::byte> frame) {
    for (int times = 1 + below(3); times > 0 && !frame.empty(); --times) damage(frame);
    return frame;
  }

 private:
  int below(size_t bound) { return static_cast<int>(random_() % bound); }

  void damage(std::vector<std::byte>& frame) {
    constexpr std::array<uint32_t, 8> kCounts = {
        0, 1, 0x7f, 0xffff, 0x1000000, 0x7fffffff, 0x80000000, 0xffffffff};
    const auto at = frame.begin() + below(frame.size());
    const auto room = static_cast<size_t>(frame.end() - at);
    switch (below(6)) {
      case 0:
        *at = static_cast<std::byte>(random_());
        break;
      case 1:
        *at ^= static_cast<std::byte>(1 << below(8));
        break;
      case 2:
        if (room >= 4) std::memcpy(&*at, &kCounts[random_() % kCounts.size()], 4);
        break;
      case 3:
        frame.erase(at, frame.end());
        break;
      case 4:
        frame.insert(at, static_cast<size_t>(1 + below(16)), static_cast<std::byte>(random_()));
        break;
      default: {
        const std::vector<std::byte> piece(at, at + 1 + below(std::min<size_t>(room, 32)));
        frame.insert(frame.begin() + below(frame.size()), piece.begin(), piece.end());
      }
    }
  }

  std::mt19937 random_;
};

}  // namespace shoal::control
