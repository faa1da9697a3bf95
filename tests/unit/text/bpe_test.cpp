// The merger against its twin: the definition of byte-pair encoding, on spellings, squared time.
#include "runtime/text/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "runtime/text/byte_alphabet.h"
#include "runtime/text/utf8.h"
#include "tests/unit/text/byte_vocab.h"
#include "tests/unit/text/gguf_vocab.h"

namespace shoal::text {
namespace {

class Twin {
 public:
  explicit Twin(const loader::Vocab& vocab) {
    for (size_t i = 0; i < vocab.tokens.size(); ++i) ids_.emplace(vocab.tokens[i], i);
    for (size_t i = 0; i < vocab.merges.size(); ++i) ranks_.emplace(vocab.merges[i], i);
  }

  std::vector<int32_t> merge_word(std::string_view word) const {
    std::vector<std::string> symbols(word.size());
    for (size_t i = 0; i < word.size(); ++i)
      append_utf8(symbols[i], byte_spelling(static_cast<uint8_t>(word[i])));
    while (const auto best = best_pair(symbols)) {
      symbols[*best] += symbols[*best + 1];
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(*best) + 1);
    }
    std::vector<int32_t> ids;
    for (const std::string& symbol : symbols) ids.push_back(ids_.at(symbol));
    return ids;
  }

 private:
  std::optional<size_t> best_pair(const std::vector<std::string>& symbols) const {
    std::optional<size_t> best;
    size_t best_rank = ranks_.size();
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks_.find(symbols[i] + " " + symbols[i + 1]);
      if (found == ranks_.end() || found->second >= best_rank) continue;
      best = i;
      best_rank = found->second;
    }
    return best;
  }

  std::map<std::string, int32_t> ids_;
  std::map<std::string, size_t> ranks_;
};

void expect_equals_twin(const loader::Vocab& vocab, std::string_view alphabet) {
  const Twin twin(vocab);
  const BpeMerger merger(vocab);
  BpeMerger::Scratch scratch = merger.make_scratch();
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string word;
    for (size_t length = random() % 80; word.size() < length;)
      word.push_back(alphabet[random() % alphabet.size()]);
    std::vector<int32_t> ids;
    merger.merge_word(word, scratch, ids);
    EXPECT_EQ(ids, twin.merge_word(word)) << word;
  }
}

TEST(BpeMergerTest, EqualsTwinOnATrainedVocabulary) {
  const auto vocab =
      read_gguf_vocab(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
  expect_equals_twin(vocab, "etaoinshr");
  expect_equals_twin(vocab, "== \n");
  expect_equals_twin(vocab, "a");
}

// Trained vocabularies rank a merge behind those that build its parts; a file need not.
TEST(BpeMergerTest, EqualsTwinWhereLaterMergesRankBetter) {
  loader::Vocab vocab = byte_vocab();
  vocab.merges = {"abc a", "ab abc", "ab c", "c a", "b b", "a b", "bb a", "ca b"};
  for (std::string merge : vocab.merges) {
    merge.erase(merge.find(' '), 1);
    vocab.tokens.push_back(merge);
    vocab.types.push_back(loader::TokenType::kNormal);
  }
  expect_equals_twin(vocab, "abc");
  expect_equals_twin(vocab, "ab");
}

}  // namespace
}  // namespace shoal::text
