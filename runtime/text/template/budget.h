// The limits of a chat template, and the account of one rendering. A template comes from a model
// file and is not trusted: every loop turn, node and copied byte is paid for out of one budget, so
// time and memory are bounded whatever the template does.
//
// A step is a statement, a loop turn or an element of a list that a filter walks; eight
// expression nodes or 256 bytes of copied text cost one step as well.
#pragma once
#include <cstddef>
#include <cstdint>

namespace shoal::text::jinja {

inline constexpr uint64_t kMaxSteps = 1'000'000;
inline constexpr size_t kMaxOutputBytes = size_t{4} << 20;  // also of every string on the way
inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;
inline constexpr int kMaxNesting = 64;  // of the source, and of macro calls
inline constexpr int kMaxExpressionDepth = 256;
inline constexpr int kMaxEvaluationDepth = 1500;  // expressions and statements over all calls
inline constexpr int kMaxValueDepth = 128;        // lists in lists, and the request's JSON

class Budget {
 public:
  void statement() { spend(kUnitsPerStep); }
  void expression() { spend(1); }
  void elements(uint64_t count) { spend(count > kMaxSteps ? kMaxUnits : count * kUnitsPerStep); }
  void bytes(size_t count) { spend(count / 32); }

 private:
  static constexpr uint64_t kUnitsPerStep = 8;
  static constexpr uint64_t kMaxUnits = kMaxSteps * kUnitsPerStep;

  void spend(uint64_t units) {
    spent_ += units;
    if (spent_ >= kMaxUnits) exhausted();
  }
  [[noreturn]] static void exhausted();

  uint64_t spent_ = 0;
};

}  // namespace shoal::text::jinja
