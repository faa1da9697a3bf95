// Where a text can stand in a grammar: every way at once. A configuration is a set of frames; a
// frame is a position and, as another configuration, all that may come after its rule ends. Equal
// configurations have equal ids (they are kept once), and frames at the same position are joined,
// so that ways which only differ in how they came here are followed once.
// Grows as it is used: one thread, and the owner starts a new one when it has grown too large.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/text/grammar/automaton.h"

namespace shoal::grammar {

using ConfigurationId = int32_t;

struct Frame {
  int32_t position;
  ConfigurationId rest;
  auto operator<=>(const Frame&) const = default;
};

class Configurations {
 public:
  static constexpr ConfigurationId kDead = 0;   // no way goes on
  static constexpr ConfigurationId kEnded = 1;  // the text is complete, nothing may follow

  explicit Configurations(const Automaton& automaton);

  ConfigurationId start();
  // Everywhere that one more byte of the class leads. `from` has come from start() or step().
  ConfigurationId step(ConfigurationId from, int byte_class);
  bool accepts(ConfigurationId id) const;
  std::span<const Frame> frames(ConfigurationId id) const;
  size_t size() const { return places_.size(); }

  // The same configuration in this collection, of another one over the same automaton.
  ConfigurationId adopt(const Configurations& other, ConfigurationId id);

 private:
  static constexpr int32_t kEndPosition = -1;
  struct Place {
    uint32_t begin, end;  // in frames_
    int32_t nesting;      // the most rules open in any of its ways
  };

  ConfigurationId intern(std::vector<Frame> sorted);
  ConfigurationId unite(ConfigurationId a, ConfigurationId b);
  // Follows calls, jumps and ends until only frames are left that take a byte.
  ConfigurationId close(std::vector<Frame> frames);
  ConfigurationId adopt(const Configurations& other,
                        ConfigurationId id,
                        std::unordered_map<ConfigurationId, ConfigurationId>& adopted);
  void join_positions(std::vector<Frame>& sorted);

  const Automaton& automaton_;
  std::vector<Frame> frames_;
  std::vector<Place> places_;
  std::unordered_multimap<uint64_t, ConfigurationId> by_hash_;
  std::unordered_map<uint64_t, ConfigurationId> united_;  // of pairs
};

}  // namespace shoal::grammar
