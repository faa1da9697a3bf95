#include "runtime/text/grammar/state_table.h"

#include "runtime/text/grammar/limits.h"

namespace shoal::grammar {
namespace {

// Configurations that are only part of others come to a few a state.
constexpr size_t kMaxConfigurations = size_t{16} * kMaxLiveStates;

}  // namespace

StateTable::StateTable(std::shared_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)),
      num_classes_(static_cast<size_t>(automaton_->num_classes())),
      configurations_(*automaton_) {
  state_of(Configurations::kDead);
  start_ = state_of(configurations_.start());
}

bool StateTable::too_large() const {
  return states_.size() > static_cast<size_t>(kMaxLiveStates) ||
         configurations_.size() > kMaxConfigurations;
}

StateTable::State StateTable::state_of(ConfigurationId configuration) {
  const auto [found, is_new] =
      by_configuration_.try_emplace(configuration, static_cast<State>(states_.size()));
  if (is_new) {
    states_.push_back({configuration,
                       static_cast<int32_t>(configurations_.frames(configuration).size()),
                       configurations_.accepts(configuration)});
    next_.resize(next_.size() + num_classes_, states_.size() == 1 ? kDead : kUnknown);
  }
  return found->second;
}

StateTable::State StateTable::find_next(State state, size_t entry) {
  const ConfigurationId from = states_[static_cast<size_t>(state)].configuration;
  const State next = state_of(configurations_.step(from, static_cast<int>(entry % num_classes_)));
  next_[entry] = next;
  return next;
}

StateTable::State StateTable::adopt(const StateTable& other, State state) {
  return state_of(configurations_.adopt(other.configurations_,
                                        other.states_[static_cast<size_t>(state)].configuration));
}

}  // namespace shoal::grammar
