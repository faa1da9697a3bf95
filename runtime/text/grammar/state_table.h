// The configurations of one grammar as a table that fills itself: a state and a byte give the next
// state, worked out once. One thread.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "runtime/text/grammar/configurations.h"

namespace shoal::grammar {

class StateTable {
 public:
  using State = int32_t;
  static constexpr State kDead = 0;

  explicit StateTable(std::shared_ptr<const Automaton> automaton);

  State start() const { return start_; }
  State step(State state, uint8_t byte) {
    const auto entry = static_cast<size_t>(state) * num_classes_ +
                       static_cast<size_t>(automaton_->byte_class(byte));
    return next_[entry] != kUnknown ? next_[entry] : find_next(state, entry);
  }
  bool accepts(State state) const { return states_[static_cast<size_t>(state)].accepts; }
  // Frames that the state holds: what one more byte from it costs.
  int32_t num_frames(State state) const { return states_[static_cast<size_t>(state)].num_frames; }
  bool too_large() const;

  // The state of another table over the same automaton, here.
  State adopt(const StateTable& other, State state);

 private:
  static constexpr State kUnknown = -1;
  struct Facts {
    ConfigurationId configuration;
    int32_t num_frames;
    bool accepts;
  };

  State state_of(ConfigurationId configuration);
  State find_next(State state, size_t entry);

  std::shared_ptr<const Automaton> automaton_;
  size_t num_classes_;
  Configurations configurations_;
  std::vector<Facts> states_;
  std::vector<State> next_;  // [state, byte class]
  std::unordered_map<ConfigurationId, State> by_configuration_;
  State start_;
};

}  // namespace shoal::grammar
