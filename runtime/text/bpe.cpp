#include "runtime/text/bpe.h"

#include <fmt/format.h>

#include <bit>
#include <limits>
#include <string>
#include <unordered_map>

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/utf8.h"

namespace shoal::text {
namespace {

using TokenIds = std::unordered_map<std::string_view, int32_t>;

TokenIds ids_by_spelling(const loader::Vocab& vocab) {
  TokenIds ids;
  ids.reserve(vocab.tokens.size());
  for (size_t i = 0; i < vocab.tokens.size(); ++i)
    ids.try_emplace(vocab.tokens[i], static_cast<int32_t>(i));
  return ids;
}

int32_t merge_token(const TokenIds& ids, std::string_view spelling, size_t merge_index) {
  const auto found = ids.find(spelling);
  if (found == ids.end())
    throw ModelFileError(fmt::format("tokenizer merge {} needs the token \"{}\", which is missing",
                                     merge_index,
                                     printable(spelling)));
  return found->second;
}

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t slot_of(uint64_t pair, size_t num_slots) {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // Fibonacci hashing
  return (pair * kGoldenRatio) >> (64 - std::countr_zero(num_slots));
}

}  // namespace

BpeMerger::BpeMerger(const loader::Vocab& vocab)
    : num_ranks_(vocab.merges.size()), table_(std::bit_ceil(2 * vocab.merges.size() + 2)) {
  const TokenIds ids = ids_by_spelling(vocab);
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string spelling;
    append_utf8(spelling, byte_spelling(static_cast<uint8_t>(byte)));
    const auto found = ids.find(spelling);
    if (found == ids.end())
      throw ModelFileError(fmt::format("tokenizer has no token for the byte {:#04x}", byte));
    byte_tokens_[byte] = found->second;
  }
  std::string joined;
  for (size_t i = 0; i < vocab.merges.size(); ++i) {
    const std::string_view merge = vocab.merges[i];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos)
      throw ModelFileError(
          fmt::format("tokenizer merge {} has no space: \"{}\"", i, printable(merge)));
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    insert({pair_key(merge_token(ids, left, i), merge_token(ids, right, i)),
            static_cast<uint32_t>(i),
            merge_token(ids, joined, i)});
  }
}

void BpeMerger::insert(const Merge& merge) {
  size_t slot = slot_of(merge.pair, table_.size());
  while (table_[slot].pair != kEmpty) {
    if (table_[slot].pair == merge.pair) return;  // of equal merges the first, best rank counts
    slot = (slot + 1) & (table_.size() - 1);
  }
  table_[slot] = merge;
}

const BpeMerger::Merge* BpeMerger::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_key(left, right);
  for (size_t slot = slot_of(pair, table_.size()); table_[slot].pair != kEmpty;
       slot = (slot + 1) & (table_.size() - 1))
    if (table_[slot].pair == pair) return &table_[slot];
  return nullptr;
}

void BpeMerger::propose(Scratch& scratch, int32_t left) const {
  const int32_t right = left < 0 ? -1 : scratch.symbols[left].next;
  if (right < 0) return;
  const Merge* merge = find(scratch.symbols[left].id, scratch.symbols[right].id);
  if (merge != nullptr) scratch.queue.push({merge->rank, left});
}

void BpeMerger::join(Scratch& scratch, MergeQueue::Entry entry) const {
  auto& symbols = scratch.symbols;
  Scratch::Symbol& left = symbols[entry.left];
  if (left.id < 0 || left.next < 0) return;
  Scratch::Symbol& right = symbols[left.next];
  const Merge* merge = find(left.id, right.id);
  if (merge == nullptr || merge->rank != entry.rank) return;
  left.id = merge->merged_id;
  right.id = -1;
  left.next = right.next;
  if (right.next >= 0) symbols[right.next].previous = entry.left;
  propose(scratch, left.previous);
  propose(scratch, entry.left);
}

void BpeMerger::merge_word(std::string_view word,
                           Scratch& scratch,
                           std::vector<int32_t>& out) const {
  SHOAL_ASSERT(word.size() < std::numeric_limits<int32_t>::max(), "word of {} bytes", word.size());
  const auto size = static_cast<int32_t>(word.size());
  scratch.symbols.clear();
  for (int32_t i = 0; i < size; ++i)
    scratch.symbols.push_back(
        {byte_tokens_[static_cast<unsigned char>(word[i])], i - 1, i + 1 < size ? i + 1 : -1});
  for (int32_t i = 0; i < size; ++i) propose(scratch, i);
  while (const auto entry = scratch.queue.pop()) join(scratch, *entry);
  for (int32_t i = 0; i >= 0 && i < size; i = scratch.symbols[i].next)
    out.push_back(scratch.symbols[i].id);
}

}  // namespace shoal::text
