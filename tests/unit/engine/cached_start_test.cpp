// Sequences that start behind cached text: the same bits as without a cache, fewer tokens run.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

std::vector<int32_t> words(int seed, int count) {
  std::vector<int32_t> out;
  for (int t = 0; t < count; ++t) out.push_back((t * 131 + seed * 977) % 8192);
  return out;
}

std::vector<int32_t> joined(std::vector<int32_t> head, const std::vector<int32_t>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

ClusterShape cached(std::vector<int> ep_per_stage) {
  return {.ep_per_stage = std::move(ep_per_stage), .cache_memory = std::nullopt};
}

int64_t tokens_run(const LoopbackCluster& cluster, size_t first_plan) {
  int64_t count = 0;
  for (size_t i = first_plan; i < cluster.plans().size(); ++i)
    for (const plan::ScheduledSequence& sequence : cluster.plans()[i].sequences)
      count += std::ssize(sequence.tokens);
  return count;
}

TEST(PrefixCache, ACachedStartLeavesTheBitsOfAnUncachedOne) {
  for (const std::vector<int>& grid : {std::vector{1}, {2}, {1, 1}, {3, 2}}) {
    const TestRequest first{.prompt = words(1, 150), .max_tokens = 20};
    LoopbackCluster cold(kModel, {.ep_per_stage = grid});
    const auto first_text = cold.run({first})[0].tokens;
    // The next turn: what was said, and 30 tokens more.
    const auto history = joined(joined(first.prompt, first_text), words(2, 30));
    const TestRequest second{.prompt = history, .max_tokens = 12};
    const auto want = cold.run({second})[0].tokens;
    const int64_t positions = std::ssize(history) + 11;
    const auto want_state = cold.state_of_last(positions);

    LoopbackCluster warm(kModel, cached(grid));
    EXPECT_EQ(warm.run({first})[0].tokens, first_text);
    const size_t plans_before = warm.plans().size();
    EXPECT_EQ(warm.run({second})[0].tokens, want);
    EXPECT_EQ(warm.state_of_last(positions), want_state) << grid.size() << " stages";
    // 160 of the 169 positions that ran are whole blocks of 32; 200 + 11 positions in all.
    EXPECT_EQ(warm.scheduler().cache_counters().hit_tokens, 160u);
    EXPECT_EQ(tokens_run(warm, plans_before), positions - 160);
  }
}

TEST(PrefixCache, TenTurnsRunOnlyWhatIsNew) {
  LoopbackCluster cold(kModel, {});
  LoopbackCluster warm(kModel, cached({2}));
  std::vector<int32_t> history = words(3, 90);  // a system prompt
  int64_t everything = 0;
  for (int turn = 0; turn < 10; ++turn) {
    history = joined(history, words(10 + turn, 25));
    TestRequest request{.prompt = history, .max_tokens = 33};
    if (turn % 2 == 1) request.sampling = {.temperature = 0.8f, .seed = 99};
    const auto text = cold.run({request})[0].tokens;
    const size_t plans_before = warm.plans().size();
    ASSERT_EQ(warm.run({request})[0].tokens, text) << "turn " << turn;
    const int64_t ran = tokens_run(warm, plans_before);
    everything += std::ssize(history) + 32;
    // The new turn and its answer, the last token of the answer before, and less than a block (an
    // answer of 33 tokens ends one).
    if (turn > 0) {
      EXPECT_LE(ran, 25 + 32 + 1 + 31) << "turn " << turn;
    }
    history = joined(history, text);
  }
  EXPECT_EQ(warm.scheduler().cache_counters().hits, 9u);
  EXPECT_LT(tokens_run(warm, 0) * 3, everything);
}

TEST(PrefixCache, CompanyPressureAndEvictionChangeNoText) {
  // Five beginnings, eighteen texts that share them, too few blocks and two states a sequence.
  std::vector<TestRequest> requests;
  for (int i = 0; i < 18; ++i) {
    TestRequest request{.prompt = joined(words(i % 5, 70 + 20 * (i % 5)), words(100 + i, 9)),
                        .max_tokens = 10 + 3 * (i % 9)};
    if (i % 3 == 0) request.sampling = {.temperature = 1.0f, .seed = 5u + static_cast<unsigned>(i)};
    requests.push_back(std::move(request));
  }
  LoopbackCluster one(kModel, {});
  std::vector<std::vector<int32_t>> want;
  for (const TestRequest& request : requests) want.push_back(one.run({request})[0].tokens);
  for (const std::vector<int>& grid : {std::vector{1}, {2, 1}}) {
    ClusterShape shape = cached(grid);
    shape.max_sequences = 5;
    shape.num_blocks = 24;
    LoopbackCluster cluster(kModel, shape);
    const auto outputs = cluster.run(requests);
    for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(outputs[i].tokens, want[i]) << i;
    EXPECT_GT(cluster.scheduler().cache_counters().hits, 0u);
    EXPECT_GT(cluster.scheduler().prefix_cache().num_evictions(), 0u);
    EXPECT_EQ(cluster.scheduler().num_free_blocks(), cluster.scheduler().num_total_blocks());
  }
}

TEST(PrefixCache, ChoicesRunThePromptOnceAndSayWhatTheyWouldSayAlone) {
  std::vector<TestRequest> choices;
  for (unsigned i = 0; i < 4; ++i)
    choices.push_back({.prompt = words(8, 140),
                       .max_tokens = 10,
                       .sampling = {.temperature = 1.0f, .seed = 40 + i},
                       .is_choice = i > 0});
  LoopbackCluster one(kModel, {});
  std::set<std::vector<int32_t>> texts;
  for (const std::vector<int>& grid : {std::vector{1}, {2, 1}}) {
    LoopbackCluster warm(kModel, cached(grid));
    const auto outputs = warm.run(choices);
    for (size_t i = 0; i < choices.size(); ++i) {
      TestRequest lone = choices[i];
      lone.is_choice = false;
      EXPECT_EQ(outputs[i].tokens, one.run({lone})[0].tokens) << i;
      texts.insert(outputs[i].tokens);
    }
    // The state is left after 128 of 140 tokens: the last whole block that leaves 8.
    EXPECT_EQ(tokens_run(warm, 0), 128 + 4 * (12 + 9));
  }
  EXPECT_EQ(texts.size(), 4u) << "every seed its own";
}

TEST(PrefixCache, PenaltiesSeeTheTokensThatDidNotRun) {
  TestRequest request{.prompt = words(4, 140), .max_tokens = 20};
  request.sampling.repetition_penalty = 1.5f;
  request.sampling.frequency_penalty = 0.5f;
  LoopbackCluster warm(kModel, cached({1}));
  const auto text = warm.run({request})[0].tokens;
  EXPECT_EQ(warm.run({request})[0].tokens, text);
  EXPECT_EQ(warm.scheduler().cache_counters().hits, 1u);
}

TEST(PrefixCache, AnotherSaltRunsEverything) {
  LoopbackCluster warm(kModel, cached({1}));
  const TestRequest mine{.prompt = words(5, 140), .max_tokens = 4, .salt = "mine"};
  TestRequest yours = mine;
  yours.salt = "yours";
  const auto text = warm.run({mine})[0].tokens;
  const size_t plans_before = warm.plans().size();
  EXPECT_EQ(warm.run({yours})[0].tokens, text);
  EXPECT_EQ(tokens_run(warm, plans_before), 143);
  EXPECT_EQ(warm.scheduler().cache_counters().hits, 0u);
}

TEST(PrefixCache, AScoredPromptRunsFromWhereItIsScored) {
  LoopbackCluster warm(kModel, cached({1}));
  TestRequest request{.prompt = words(6, 140), .max_tokens = 4};
  warm.run({request});
  TestRequest scored{.prompt = request.prompt, .score = plan::Score::kChunk};
  const auto all = warm.run({scored})[0].scores;
  ASSERT_EQ(all.size(), 139u);
  scored.score_start = 130;
  const auto tail = warm.run({scored})[0].scores;
  ASSERT_EQ(tail.size(), 9u);
  for (size_t i = 0; i < tail.size(); ++i)
    EXPECT_EQ(tail[i], [&] {
      plan::TokenScore want = all[130 + i];
      want.id = tail[i].id;
      return want;
    }());
  EXPECT_EQ(warm.scheduler().cache_counters().hits, 1u) << "the one scored from 130 on";
}

}  // namespace
}  // namespace shoal::engine
