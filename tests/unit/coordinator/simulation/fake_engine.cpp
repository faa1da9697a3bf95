#include "tests/unit/coordinator/simulation/fake_engine.h"

#include <fmt/format.h>

namespace shoal::coordinator::simulation {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  uint64_t mixed = (hash ^ value) + 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  return mixed ^ (mixed >> 27);
}

// Plain tokens of the demo vocabulary: none ends a text.
int32_t draw(uint64_t hash, uint64_t seed) {
  return static_cast<int32_t>(mix(hash, seed) % 200) + 300;
}

}  // namespace

int32_t token_after(std::span<const int32_t> text, uint64_t seed) {
  uint64_t hash = 0;
  for (const int32_t token : text) hash = mix(hash, static_cast<uint64_t>(token));
  return draw(hash, seed);
}

void FakeEngine::complain(const std::string& what) {
  if (complaint_.empty()) complaint_ = what;
}

void FakeEngine::admit(const plan::Admission& admission) {
  Sequence& sequence = sequences_[admission.id] = {admission, admission.shared_blocks};
  State& state = slots_[{group(sequence), admission.state_slot}];
  state = {};
  if (admission.checkpoint != plan::kNoCheckpoint)
    state = checkpoints_[{group(sequence), admission.checkpoint}];
}

void FakeEngine::feed(Sequence& sequence, int64_t position, int32_t token) {
  const auto index = static_cast<size_t>(position / plan_.block_size);
  if (index >= sequence.blocks.size())
    return complain(
        fmt::format("sequence {} has no block for {}", sequence.admission.id, position));
  std::vector<int32_t>& block = blocks_[{group(sequence), sequence.blocks[index]}];
  block.resize(static_cast<size_t>(plan_.block_size), -1);
  block[static_cast<size_t>(position % plan_.block_size)] = token;
  State& state = slots_[{group(sequence), sequence.admission.state_slot}];
  if (state.length != position)
    complain(
        fmt::format("sequence {} is at {}, not {}", sequence.admission.id, state.length, position));
  state = {mix(state.hash, static_cast<uint64_t>(token)), position + 1};
}

void FakeEngine::check_blocks(const Sequence& sequence, const State& state) {
  uint64_t hash = 0;
  for (int64_t i = 0; i < state.length; ++i) {
    const auto index = static_cast<size_t>(i / plan_.block_size);
    const std::vector<int32_t>& block = blocks_[{group(sequence), sequence.blocks[index]}];
    const auto offset = static_cast<size_t>(i % plan_.block_size);
    if (block.size() <= offset)
      return complain(fmt::format("sequence {}: nobody wrote {}", sequence.admission.id, i));
    hash = mix(hash, static_cast<uint64_t>(block[offset]));
  }
  if (hash != state.hash)
    complain(fmt::format("sequence {}: blocks and state differ", sequence.admission.id));
}

std::vector<FakeEngine::Score> FakeEngine::run(const plan::StepPlan& plan) {
  std::vector<Score> out;
  for (const plan::SequenceId id : plan.released) sequences_.erase(id);
  for (const plan::Admission& admission : plan.admitted) admit(admission);
  for (const plan::ScheduledSequence& scheduled : plan.sequences) {
    const auto found = sequences_.find(scheduled.id);
    if (found == sequences_.end()) {
      complain(fmt::format("sequence {} was never admitted", scheduled.id));
      continue;
    }
    Sequence& sequence = found->second;
    const int home = sequence.admission.home;
    sequence.blocks.insert(
        sequence.blocks.end(), scheduled.new_blocks.begin(), scheduled.new_blocks.end());
    int64_t position = scheduled.start;
    for (size_t i = 0; i < scheduled.tokens.size(); ++i) {
      const int32_t token =
          scheduled.tokens[i] == plan::kPreviousSample ? sequence.last_sample : scheduled.tokens[i];
      feed(sequence, position++, token);
      const bool last = i + 1 == scheduled.tokens.size();
      const int32_t next = last ? scheduled.score_next : scheduled.tokens[i + 1];
      if (scheduled.score == plan::Score::kChunk && next >= 0 &&
          position - 1 >= scheduled.score_start)
        out.push_back({home, {.id = scheduled.id, .position = position, .token = next}});
    }
    const State& state = slots_[{group(sequence), sequence.admission.state_slot}];
    if (scheduled.save != plan::kNoCheckpoint)
      checkpoints_[{group(sequence), scheduled.save}] = state;
    if (!scheduled.sample) continue;
    check_blocks(sequence, state);
    sequence.last_sample = draw(state.hash, sequence.admission.sampling.seed);
    out.push_back({home,
                   {.id = scheduled.id,
                    .position = position,
                    .token = sequence.last_sample,
                    .sampled = true}});
  }
  return out;
}

}  // namespace shoal::coordinator::simulation
