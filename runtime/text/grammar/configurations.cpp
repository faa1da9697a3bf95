#include "runtime/text/grammar/configurations.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/text/grammar/limits.h"

namespace shoal::grammar {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

uint64_t hash_of(const std::vector<Frame>& frames) {
  uint64_t hash = frames.size();
  for (const Frame& frame : frames)
    hash = mix(hash,
               static_cast<uint64_t>(static_cast<uint32_t>(frame.position)) << 32 |
                   static_cast<uint32_t>(frame.rest));
  return hash;
}

struct FrameHash {
  size_t operator()(const Frame& frame) const {
    return mix(static_cast<uint32_t>(frame.position), static_cast<uint32_t>(frame.rest));
  }
};

}  // namespace

Configurations::Configurations(const Automaton& automaton) : automaton_(automaton) {
  intern({});
  intern({{kEndPosition, kDead}});
}

std::span<const Frame> Configurations::frames(ConfigurationId id) const {
  const Place& place = places_[static_cast<size_t>(id)];
  return std::span(frames_).subspan(place.begin, place.end - place.begin);
}

bool Configurations::accepts(ConfigurationId id) const {
  const auto all = frames(id);  // sorted: the end comes first
  return !all.empty() && all.front().position == kEndPosition;
}

ConfigurationId Configurations::intern(std::vector<Frame> sorted) {
  const uint64_t hash = hash_of(sorted);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto found = begin; found != end; ++found)
    if (std::ranges::equal(frames(found->second), sorted)) return found->second;
  const auto id = static_cast<ConfigurationId>(places_.size());
  int32_t nesting = 0;
  for (const Frame& frame : sorted)
    if (frame.position != kEndPosition)
      nesting = std::max(nesting, places_[static_cast<size_t>(frame.rest)].nesting + 1);
  const auto first = static_cast<uint32_t>(frames_.size());
  frames_.insert(frames_.end(), sorted.begin(), sorted.end());
  places_.push_back({first, static_cast<uint32_t>(frames_.size()), nesting});
  by_hash_.emplace(hash, id);
  return id;
}

// Frames at one position become one, with all that may follow any of them.
void Configurations::join_positions(std::vector<Frame>& sorted) {
  size_t kept = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (kept > 0 && sorted[kept - 1].position == sorted[i].position) {
      // Not a reference: unite() may grow the storage, but `sorted` is the caller's own.
      sorted[kept - 1].rest = unite(sorted[kept - 1].rest, sorted[i].rest);
    } else {
      sorted[kept++] = sorted[i];
    }
  }
  sorted.resize(kept);
}

// Recursion ends with the nesting, which is limited.
ConfigurationId Configurations::unite(ConfigurationId a, ConfigurationId b) {
  if (a == b || b == kDead) return a;
  if (a == kDead) return b;
  const uint64_t pair =
      static_cast<uint64_t>(std::min(a, b)) << 32 | static_cast<uint32_t>(std::max(a, b));
  if (const auto found = united_.find(pair); found != united_.end()) return found->second;
  const auto left = frames(a), right = frames(b);
  std::vector<Frame> both;
  both.reserve(left.size() + right.size());
  std::ranges::merge(left, right, std::back_inserter(both));
  join_positions(both);
  const ConfigurationId id = intern(std::move(both));
  united_.emplace(pair, id);
  return id;
}

ConfigurationId Configurations::close(std::vector<Frame> frames_to_close) {
  std::vector<Frame> work = std::move(frames_to_close), taking;
  std::unordered_set<Frame, FrameHash> seen(work.begin(), work.end());
  const auto go = [&](Frame frame) {
    if (seen.insert(frame).second) work.push_back(frame);
  };
  while (!work.empty()) {
    // As a whole, not frame by frame: what is dropped must not depend on the order of ids.
    if (seen.size() > static_cast<size_t>(kMaxFrames)) return kDead;
    const Frame frame = work.back();
    work.pop_back();
    if (frame.position == kEndPosition) {
      taking.push_back(frame);
      continue;
    }
    const Automaton::Position& position = automaton_.at(frame.position);
    if (!position.bytes.empty()) taking.push_back(frame);
    for (const int32_t to : position.jumps) go({to, frame.rest});
    for (const Automaton::Call& call : position.calls) {
      // A call at the end of a rule needs no frame to come back to; lists written with recursion
      // on their right then stay flat.
      ConfigurationId rest = frame.rest;
      if (!automaton_.at(call.to).only_ends) {
        if (places_[static_cast<size_t>(rest)].nesting >= kMaxNesting) continue;
        rest = intern({{call.to, rest}});
      }
      go({call.start, rest});
    }
    if (position.final)
      for (const Frame& next : frames(frame.rest)) go(next);
  }
  std::ranges::sort(taking);
  taking.erase(std::unique(taking.begin(), taking.end()), taking.end());
  join_positions(taking);
  return intern(std::move(taking));
}

ConfigurationId Configurations::start() { return close({{automaton_.start(), kEnded}}); }

ConfigurationId Configurations::step(ConfigurationId from, int byte_class) {
  const uint8_t byte = automaton_.byte_of(byte_class);
  std::vector<Frame> next;
  for (const Frame& frame : frames(from)) {
    if (frame.position == kEndPosition) continue;
    for (const Automaton::ByteEdge& edge : automaton_.at(frame.position).bytes)
      if (edge.first <= byte && byte <= edge.last) next.push_back({edge.to, frame.rest});
  }
  if (next.empty()) return kDead;
  std::ranges::sort(next);
  next.erase(std::unique(next.begin(), next.end()), next.end());
  return close(std::move(next));
}

ConfigurationId Configurations::adopt(const Configurations& other, ConfigurationId id) {
  std::unordered_map<ConfigurationId, ConfigurationId> adopted = {{kDead, kDead}, {kEnded, kEnded}};
  return adopt(other, id, adopted);
}

ConfigurationId Configurations::adopt(
    const Configurations& other,
    ConfigurationId id,
    std::unordered_map<ConfigurationId, ConfigurationId>& adopted) {
  if (const auto found = adopted.find(id); found != adopted.end()) return found->second;
  std::vector<Frame> copy;
  for (const Frame& frame : other.frames(id))
    copy.push_back({frame.position,
                    frame.position == kEndPosition ? kDead : adopt(other, frame.rest, adopted)});
  std::ranges::sort(copy);
  const ConfigurationId mine = intern(std::move(copy));
  adopted.emplace(id, mine);
  return mine;
}

}  // namespace shoal::grammar
