#include "runtime/text/grammar/automaton.h"

#include <bitset>

#include "runtime/text/grammar/automaton_builder.h"

namespace shoal::grammar {

Automaton::Automaton(const Syntax& syntax, CpuBudget budget) {
  AutomatonBuilder builder(syntax, budget);
  builder.build();
  start_ = builder.start();
  positions_ = builder.take_positions();
  find_classes();
  find_ends();
}

void Automaton::find_classes() {
  std::bitset<257> begins;
  begins[0] = true;
  for (const Position& position : positions_)
    for (const ByteEdge& edge : position.bytes) {
      begins[edge.first] = true;
      begins[size_t{edge.last} + 1] = true;
    }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) byte_of_.push_back(static_cast<uint8_t>(byte));
    class_of_[byte] = static_cast<uint8_t>(byte_of_.size() - 1);
  }
}

void Automaton::find_ends() {
  std::vector<std::vector<int32_t>> before(positions_.size());
  std::vector<int32_t> work;
  for (size_t i = 0; i < positions_.size(); ++i) {
    Position& position = positions_[i];
    position.only_ends = position.bytes.empty() && position.calls.empty();
    if (!position.only_ends) work.push_back(static_cast<int32_t>(i));
    for (const int32_t to : position.jumps)
      before[static_cast<size_t>(to)].push_back(static_cast<int32_t>(i));
  }
  while (!work.empty()) {
    const int32_t busy = work.back();
    work.pop_back();
    for (const int32_t from : before[static_cast<size_t>(busy)]) {
      if (!positions_[static_cast<size_t>(from)].only_ends) continue;
      positions_[static_cast<size_t>(from)].only_ends = false;
      work.push_back(from);
    }
  }
}

}  // namespace shoal::grammar
