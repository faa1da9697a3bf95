// What the plans of a real run show: prompts and decode mixed in one step, pipeline stages kept
// busy by plans in flight that share no sequence, no rank keeping experts it does not own.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

std::vector<TestRequest> requests(int count, int64_t prompt_len, int64_t max_tokens) {
  std::vector<TestRequest> out;
  for (int i = 0; i < count; ++i) {
    TestRequest request{.prompt = {}, .max_tokens = max_tokens};
    for (int64_t t = 0; t < prompt_len; ++t)
      request.prompt.push_back(static_cast<int32_t>((t * 31 + i * 977) % 8192));
    out.push_back(std::move(request));
  }
  return out;
}

TEST(PlanTrace, PrefillAndDecodeShareAStep) {
  LoopbackCluster cluster(kModel, {.ep_per_stage = {2}, .max_batch_tokens = 32});
  std::vector<TestRequest> mixed = requests(1, 8, 20);
  for (TestRequest& request : requests(3, 100, 4)) mixed.push_back(request);
  cluster.run(mixed);
  int mixed_steps = 0;
  for (const plan::StepPlan& plan : cluster.plans()) {
    bool prefill = false, decode = false;
    for (const plan::ScheduledSequence& sequence : plan.sequences) {
      prefill |= sequence.tokens.size() > 1;
      decode |= sequence.tokens.size() == 1 && sequence.start > 0;
    }
    mixed_steps += prefill && decode ? 1 : 0;
    EXPECT_LE(plan.token_capacity, 32);
  }
  EXPECT_GE(mixed_steps, 3);
}

TEST(PlanTrace, StagesOverlapOnDifferentSequences) {
  LoopbackCluster cluster(kModel, {.ep_per_stage = {1, 1}});
  cluster.run(requests(4, 6, 16));
  // Once all four decode, neighbouring plans hold different sequences: stage 0 runs one while
  // stage 1 runs the other.
  int disjoint = 0, neighbours = 0;
  const auto& plans = cluster.plans();
  for (size_t i = 1; i < plans.size(); ++i) {
    if (plans[i].sequences.size() != 2 || plans[i - 1].sequences.size() != 2) continue;
    std::set<plan::SequenceId> ids;
    for (const size_t p : {i - 1, i})
      for (const plan::ScheduledSequence& sequence : plans[p].sequences) ids.insert(sequence.id);
    ++neighbours;
    disjoint += ids.size() == 4 ? 1 : 0;
  }
  EXPECT_GE(neighbours, 16);
  EXPECT_EQ(disjoint, neighbours);
}

TEST(PlanTrace, EveryRankReadsExactlyItsShare) {
  LoopbackCluster cluster(kModel, {.ep_per_stage = {3}});
  const loader::ModelConfig& config = cluster.config();
  // Demo experts: gate and up q4_K, down q5_K, 256 x 256 each; one layer is a step wider
  // (q5_K, q6_K). 144, 176 and 210 bytes a 256-block are the formats' own figures.
  const uint64_t rows = 256;
  const uint64_t narrow = rows * (144 + 144 + 176), wide = rows * (176 + 176 + 210);
  const uint64_t per_expert = 7 * narrow + wide;
  uint64_t total = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const uint64_t experts = rank == 0 ? 6 : 5;
    const uint64_t bytes = cluster.ledger(rank).bytes(loader::TensorClass::kRoutedExpert);
    EXPECT_EQ(bytes, experts * per_expert) << "rank " << rank;
    EXPECT_EQ(cluster.shard_plan().ranks[static_cast<size_t>(rank)].expert_bytes, bytes);
    total += bytes;
  }
  EXPECT_EQ(total, static_cast<uint64_t>(config.num_experts) * per_expert);
}

}  // namespace
}  // namespace shoal::engine
