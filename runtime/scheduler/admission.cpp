// Who is in: homes, blocks and slots of sequences that enter, leave, pause and come back, and what
// they leave in the prefix cache.
#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/scheduler/scheduler.h"

namespace shoal::scheduler {
namespace {

// How many tokens of prompt one more running sequence on a home outweighs.
constexpr int64_t kTokensASequence = 256;
// A beginning that short is not worth a step of its own, unless other choices wait for it.
constexpr int64_t kMinSaved = 64;

bool scores_prompt(const Sequence& sequence) {
  return sequence.score == plan::Score::kChunk || sequence.score == plan::Score::kFullLogits;
}

}  // namespace

bool Scheduler::may_grow(const Sequence& sequence) const {
  return blocks_.front().blocks_for(sequence.max_len()) >
         static_cast<int>(std::ssize(sequence.blocks));
}

int Scheduler::reserve(size_t group) const {
  return static_cast<int>(
      std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
        return group_of(entry.second) == group && may_grow(entry.second);
      }));
}

bool Scheduler::has_room(const Sequence& sequence, const cache::PrefixMatch& match) const {
  const auto group = static_cast<size_t>(match.home % config_.num_home_groups);
  const cache::BlockAllocator& pool = blocks_[group];
  const int prompt_blocks = pool.blocks_for(std::ssize(sequence.tokens));
  const int own_reserve = pool.blocks_for(sequence.max_len()) > prompt_blocks ? 1 : 0;
  const auto shared = static_cast<int>(std::ssize(match.blocks));
  const int needed = prompt_blocks - shared + own_reserve + reserve(group);
  // What the cache alone keeps can be had, except what this sequence is about to use.
  const int available =
      pool.num_free() + pool.num_reclaimable() - pool.count_reclaimable(match.blocks);
  return available >= needed && slots_[group].num_free() > 0;
}

// The home that is cheapest: fewest sequences, less what its cache saves.
std::optional<cache::PrefixMatch> Scheduler::place(const Sequence& sequence) const {
  const int num_homes = *std::max_element(config_.ep_per_stage.begin(), config_.ep_per_stage.end());
  std::vector<int64_t> cost(static_cast<size_t>(num_homes), 0);
  for (const auto& [id, running] : sequences_)
    cost[static_cast<size_t>(running.home)] += sequence.is_fork ? 1 : kTokensASequence;
  int64_t limit = std::ssize(sequence.tokens) - 1;  // the last token has to run, for its logits
  if (scores_prompt(sequence)) limit = std::min(limit, sequence.score_start);

  std::optional<cache::PrefixMatch> best;
  int64_t best_cost = 0, most_saved = 0;
  for (int home = 0; home < num_homes; ++home) {
    cache::PrefixMatch match = cache_.find(
        {.home = home, .salt = sequence.salt, .tokens = sequence.tokens, .prompt_len = 0}, limit);
    if (scores_prompt(sequence) && limit < match.shared_tokens)
      match.end = cache::PrefixEnd::kScored;
    most_saved = std::max(most_saved, match.tokens);
    if (!has_room(sequence, match)) continue;
    const int64_t home_cost = cost[static_cast<size_t>(home)] - match.tokens;
    if (best && home_cost >= best_cost) continue;
    best = std::move(match);
    best_cost = home_cost;
  }
  if (best && best->tokens < most_saved) best->end = cache::PrefixEnd::kHomeFull;
  return best;
}

std::optional<plan::BlockId> Scheduler::take_block(size_t group) {
  auto block = blocks_[group].allocate(1);
  if (!block && cache_.free_block(group)) block = blocks_[group].allocate(1);
  return block ? std::optional(block->front()) : std::nullopt;
}

bool Scheduler::enter(Sequence& sequence) {
  auto match = place(sequence);
  if (!match) return false;
  sequence.home = match->home;
  const size_t group = group_of(sequence);
  cache_.touch(*match);
  blocks_[group].share(match->blocks);
  sequence.prefix = std::move(*match);
  const cache::PrefixMatch& prefix = sequence.prefix;

  sequence.prefill_len = std::ssize(sequence.tokens);
  sequence.blocks = prefix.blocks;
  while (std::ssize(sequence.blocks) < blocks_[group].blocks_for(sequence.prefill_len)) {
    const auto block = take_block(group);
    SHOAL_ASSERT(block, "sequence {} was placed where no block is free", sequence.id);
    sequence.blocks.push_back(*block);
  }
  sequence.slot = *slots_[group].allocate_one();
  sequence.blocks_sent = std::ssize(prefix.blocks);
  sequence.planned = prefix.tokens;
  sequence.save_at =
      cache::checkpoint_positions(cache_.config(), config_.block_size, sequence.prompt_len, prefix);
  if (scores_prompt(sequence)) sequence.save_at.clear();  // nobody asks for the same again
  if (!sequence.has_forks)
    std::erase_if(sequence.save_at,
                  [&](int64_t position) { return position - prefix.tokens < kMinSaved; });

  plan::Admission admission{.id = sequence.id,
                            .home = sequence.home,
                            .state_slot = sequence.slot,
                            .checkpoint = prefix.checkpoint,
                            .shared_blocks = prefix.blocks,
                            .prompt_len = sequence.prompt_len,
                            .sampling = sequence.sampling};
  if (sequence.sampling.looks_back())
    admission.history.assign(sequence.tokens.begin(), sequence.tokens.begin() + prefix.tokens);
  admitted_.push_back(std::move(admission));
  return true;
}

AdmitResult Scheduler::admit(const NewSequence& request) {
  SHOAL_ASSERT(!request.prompt.empty(), "sequence {}", request.id);
  SHOAL_ASSERT(request.generated.empty() || std::ssize(request.generated) < request.max_tokens,
               "sequence {} has said all of its {} tokens",
               request.id,
               request.max_tokens);
  if (waits_for_paused(request.owner)) return AdmitResult::kNoRoom;
  if (request.fork_of) {
    const auto parent = sequences_.find(*request.fork_of);
    if (parent != sequences_.end() && !parent->second.save_at.empty()) return AdmitResult::kLater;
  }
  Sequence sequence;
  sequence.id = request.id;
  sequence.tokens = request.prompt;
  sequence.tokens.insert(sequence.tokens.end(), request.generated.begin(), request.generated.end());
  sequence.prompt_len = std::ssize(request.prompt);
  sequence.samples_planned = std::ssize(request.generated);
  sequence.sampling = request.sampling;
  sequence.max_tokens = request.max_tokens;
  sequence.score = request.score;
  sequence.score_start = request.score_start;
  sequence.salt = request.salt;
  sequence.owner = request.owner;
  sequence.is_fork = request.fork_of.has_value();
  sequence.has_forks = request.has_forks;
  if (!fits(sequence.max_len())) return AdmitResult::kNoRoom;
  if (!has_seat() || !enter(sequence)) {
    const auto yielding = who_yields(sequence);
    for (const plan::SequenceId id : yielding) pause(id);
    if (yielding.empty() || !enter(sequence)) return AdmitResult::kNoRoom;
  }
  counters_.hits += sequence.prefix.tokens > 0 ? 1 : 0;
  counters_.hit_tokens += static_cast<uint64_t>(sequence.prefix.tokens);
  ++counters_.ends[static_cast<size_t>(sequence.prefix.end)];
  sequences_.emplace(sequence.id, std::move(sequence));
  return AdmitResult::kAdmitted;
}

const cache::PrefixMatch& Scheduler::prefix_of(plan::SequenceId id) const {
  return sequences_.at(id).prefix;
}

cache::PrefixText Scheduler::text_of(const Sequence& sequence, int64_t length) {
  return {.home = sequence.home,
          .salt = sequence.salt,
          .tokens = std::span(sequence.tokens).first(static_cast<size_t>(length)),
          .prompt_len = sequence.prompt_len};
}

void Scheduler::publish(const Sequence& sequence, int64_t length, plan::CheckpointId checkpoint) {
  cache_.publish(text_of(sequence, length),
                 std::span(sequence.blocks).first(static_cast<size_t>(length / config_.block_size)),
                 checkpoint);
}

void Scheduler::publish_generated(Sequence& sequence) {
  // The longest of known tokens; another may be beyond them, past a stop.
  bool published = false;
  for (auto entry = sequence.growing.rbegin(); entry != sequence.growing.rend(); ++entry) {
    if (published || entry->position > std::ssize(sequence.tokens)) {
      cache_.give_back(sequence.home, entry->checkpoint);
      continue;
    }
    publish(sequence, entry->position, entry->checkpoint);
    published = true;
  }
  sequence.growing.clear();
}

plan::CheckpointId Scheduler::checkpoint_for(Sequence& sequence) {
  if (!sequence.save_at.empty() && sequence.save_at.front() == sequence.planned) {
    sequence.save_at.erase(sequence.save_at.begin());
    // Whoever had the same prompt may have left it meanwhile.
    if (cache_.holds(text_of(sequence, sequence.planned))) return plan::kNoCheckpoint;
    const auto checkpoint = cache_.take_checkpoint(sequence.home);
    if (!checkpoint) return plan::kNoCheckpoint;
    publish(sequence, sequence.planned, *checkpoint);
    return *checkpoint;
  }
  const bool generated = !sequence.in_prefill() && sequence.planned > sequence.prompt_len;
  if (!cache_.is_on() || !generated || sequence.planned % config_.block_size != 0)
    return plan::kNoCheckpoint;
  const auto checkpoint = cache_.take_growing_checkpoint(sequence.home);
  if (!checkpoint) return plan::kNoCheckpoint;
  sequence.growing.push_back({*checkpoint, sequence.planned});
  return *checkpoint;
}

void Scheduler::leave(Sequence& sequence) {
  publish_generated(sequence);
  blocks_[group_of(sequence)].release(sequence.blocks);
  slots_[group_of(sequence)].release_one(sequence.slot);
  // A sequence that no plan has announced leaves without a trace.
  const auto announced =
      std::find_if(admitted_.begin(), admitted_.end(), [&](const plan::Admission& a) {
        return a.id == sequence.id;
      });
  if (announced != admitted_.end())
    admitted_.erase(announced);
  else
    released_.push_back(sequence.id);
}

void Scheduler::release(plan::SequenceId id) {
  paused_.erase(id);
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  leave(found->second);
  sequences_.erase(found);
}

void Scheduler::pause(plan::SequenceId id) {
  auto node = sequences_.extract(id);
  Sequence& sequence = node.mapped();
  leave(sequence);
  sequence.blocks.clear();
  // Steps under way still report what they score of the prompt; the same again would be twice.
  sequence.score_start = std::max(sequence.score_start, sequence.planned);
  if (scores_prompt(sequence) && !sequence.in_prefill()) sequence.score = plan::Score::kNone;
  paused_.insert(std::move(node));
  ++num_pauses_;
}

void Scheduler::resume_paused() {
  while (!paused_.empty() && has_seat()) {
    Sequence& oldest = paused_.at(next_to_resume());
    if (in_flight(oldest.last_step) || oldest.samples_known() < oldest.samples_planned) return;
    const int64_t ran = oldest.planned;
    if (!enter(oldest)) return;
    counters_.recomputed_tokens += static_cast<uint64_t>(
        std::max<int64_t>(std::min(ran, oldest.prefill_len) - oldest.prefix.tokens, 0));
    sequences_.insert(paused_.extract(oldest.id));
  }
}

}  // namespace shoal::scheduler
