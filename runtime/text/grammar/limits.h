// What one grammar may cost. A client sends grammars, so each of these answers a way of asking for
// unbounded work; what is over a limit is refused by name before it reaches a rank, or (nesting)
// is not part of the language that a rank follows.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shoal::grammar {

inline constexpr std::chrono::milliseconds kMaxCompileTime{100};

inline constexpr size_t kMaxSourceBytes = 64u << 10;    // a schema or a regular expression
inline constexpr size_t kMaxGrammarBytes = 512u << 10;  // a grammar, also one made from a schema
inline constexpr int kMaxSourceDepth = 64;              // brackets in brackets, schemas in schemas
inline constexpr int kMaxRepeat = 16'384;               // the numbers in {m,n}
inline constexpr int kMaxPositions = 65'536;            // states of all rules together
inline constexpr int kMaxNesting = 1'024;               // rules open inside one another at run time

// States made while the output is followed, before the table starts anew from the ones in use.
inline constexpr int kMaxLiveStates = 16'384;
// Frames that one state may hold, and frames looked at for one mask: a function of the grammar and
// the text alone, so that a grammar which is too ambiguous ends at the same token everywhere.
inline constexpr int kMaxFrames = 16'384;
inline constexpr int64_t kMaxFramesPerMask = 64'000'000;

}  // namespace shoal::grammar
