// Verdicts on the public files' layouts over real machines, each worked out on paper here: the byte
// counts below come from shapes and block sizes, not from the planner.
//
// 397B, bytes (elements x block bytes / block elements, sums over 60 layers):
//   file    routed experts     all the rest        of which embedding   lm_head
//   Q3     168,074,149,888    10,653,871,104       1,080,688,640        834,355,200
//   Q4     234,360,930,304    10,900,204,544       1,080,688,640      1,080,688,640
//   MXFP4  226,442,084,352    10,900,204,544       1,080,688,640      1,080,688,640
//   Q8     410,706,247,680    10,790,104,064       1,080,688,640      1,080,688,640
//   BF16   773,094,113,280    19,856,190,464       2,034,237,440      2,034,237,440
// A sequence: 195,379,200 of state, 61,440 of KV a token (15 layers x 2 x 512 x 4): 16.1 GB at
// 262,144 tokens. With 8 sequences a rank has 1.56 GB of states over all stages together.
// Scratch, 512 tokens a rank: 277,076 B a token are 0.14 GB, logits of 32 rows 0.03 GB, 5,120
// expert rows x 39,176 B are 0.2 GB x ep (ep 1: 0.08 and 0.13); messages 0.0336 GB x (ep - 1).
// Usable: h100 80 - 1.1 = 78.9 GB, h200 139.9, gb10 116, rtx4090 22.9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "loader/io/model_files.h"
#include "sharding/capacity.h"
#include "sharding/layout_search.h"
#include "tests/tools/model_set.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::sharding {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Headers {
  loader::ModelFiles files;
  loader::ModelConfig config;
};

// Sparse files are written and read once a model.
const Headers& headers(const std::string& shape, const std::string& mix) {
  static std::map<std::string, std::unique_ptr<Headers>> known;
  std::unique_ptr<Headers>& entry = known[shape + mix];
  if (entry == nullptr) {
    const loader::testing::ScratchFolder folder;
    tools::write_model_set({.shape = shape, .mix = mix}, folder.path());
    entry = std::make_unique<Headers>();
    entry->files = loader::open_model(folder.path());
    entry->config = loader::parse_model_config(entry->files.metadata, entry->files.directory);
  }
  return *entry;
}

NodeHardware node(const char* name, int devices, const char* kind) {
  return {.name = name, .devices = devices, .device = *find_device_kind(kind)};
}

ClusterHardware alike(int nodes, int devices, const char* kind) {
  ClusterHardware hardware;
  for (int i = 0; i < nodes; ++i) hardware.nodes.push_back(node("n", devices, kind));
  return hardware;
}

LayoutReport search(const Headers& model,
                    const ClusterHardware& hardware,
                    const PlanWishes& wishes = {}) {
  return search_layouts({model.files.directory, model.config, hardware}, wishes);
}

const Judged& chosen(const LayoutReport& report) {
  return report.judged.at(static_cast<size_t>(report.chosen));
}

// "pp 2 x ep 8", or "no" when nothing fits.
std::string verdict(const char* mix, const ClusterHardware& hardware) {
  const LayoutReport report = search(headers("397b", mix), hardware);
  return report.chosen < 0 ? "no" : layout_name(chosen(report).layout);
}

// Rank: rest + experts / 8, 1.6 states, 1.8 scratch, 0.2 messages, 16.1 KV of one sequence.
//   Q3 31.7 + 19.7 = 51.4; Q4 40.2 + 19.7; MXFP4 39.2 + 19.7: fit 78.9.
//   Q8 62.1 + 19.7 = 81.8 does not. Two stages of 4: 51.3 experts + 5.4 rest, half of states and
//   KV, 1.1 scratch: 66.7 fits. BF16 773 / 8 = 96.6 of experts alone, however they are cut: no.
TEST(RealPlans, OneNodeOfEight80GB) {
  const ClusterHardware hardware = alike(1, 8, "h100");
  EXPECT_EQ(verdict("UD-Q3_K_XL", hardware), "pp 1 x ep 8");
  EXPECT_EQ(verdict("UD-Q4_K_XL", hardware), "pp 1 x ep 8");
  EXPECT_EQ(verdict("MXFP4_MOE", hardware), "pp 1 x ep 8");
  EXPECT_EQ(verdict("Q8_0", hardware), "pp 2 x ep 4");
  EXPECT_EQ(verdict("BF16", hardware), "no");
}

// A stage of 8 on each: half of everything above but scratch. The largest, BF16: 48.3 experts, 9.9
// rest, 0.8 states, 2.0 scratch, 0.2 messages, 8.1 KV: 69.4 fits.
TEST(RealPlans, TwoNodesOfEight80GB) {
  for (const char* mix : {"UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0", "BF16"})
    EXPECT_EQ(verdict(mix, alike(2, 8, "h100")), "pp 2 x ep 8") << mix;
}

// The largest, BF16: 773 / 2 / 4 = 96.6 experts, 9.9 rest, 0.8, 1.1, 0.1, 8.1: 116.6 fits 139.9.
TEST(RealPlans, TwoNodesOfFour141GB) {
  for (const char* mix : {"UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0", "BF16"})
    EXPECT_EQ(verdict(mix, alike(2, 4, "h200")), "pp 2 x ep 4") << mix;
}

TEST(RealPlans, FourNodesOfEight80GB) {
  for (const char* mix : {"UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0", "BF16"})
    EXPECT_EQ(verdict(mix, alike(4, 8, "h100")), "pp 4 x ep 8") << mix;
}

// The largest, BF16: 96.6 experts, 19.9 rest, 1.6, 2.0, 0.2, 16.1: 136.4 fits 139.9.
TEST(RealPlans, OneNodeOfEight141GB) {
  for (const char* mix : {"UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0", "BF16"})
    EXPECT_EQ(verdict(mix, alike(1, 8, "h200")), "pp 1 x ep 8") << mix;
}

// A quarter each: Q3 44.7, Q4 61.3, MXFP4 59.3, Q8 105.4 of weights, + 0.4 states, 0.4 scratch, 4.3
// KV (4 of 15 attention layers): 110.5 fits 116. BF16 198.2 does not.
TEST(RealPlans, FourNodesOfOne128GBUnified) {
  const ClusterHardware hardware = alike(4, 1, "gb10");
  for (const char* mix : {"UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0"})
    EXPECT_EQ(verdict(mix, hardware), "pp 4 x ep 1") << mix;
  EXPECT_EQ(verdict("BF16", hardware), "no");
}

// Unequal widths, and layers so that ranks read their bytes in equal time. Q4, a layer's mean: rest
// (10.900 - 2 x 1.081) / 60 = 0.1456 GB, experts 234.361 / 60 = 3.906 GB.
//   8 h100: 0.1456 + 3.906 / 8 = 0.6339 GB at 3.03 TB/s: 0.2092 ms a layer
//   4 h200: 0.1456 + 3.906 / 4 = 1.1221 GB at 4.29 TB/s: 0.2616 ms, and lm_head 0.2519 ms
// 34 and 26 layers end at 7.11 and 7.05 ms; 33 and 27 at 7.31, 35 and 25 at 7.32.
TEST(RealPlans, TwoUnlikeNodes) {
  ClusterHardware hardware;
  hardware.nodes = {node("a", 8, "h100"), node("b", 4, "h200")};
  const LayoutReport report = search(headers("397b", "UD-Q4_K_XL"), hardware);
  ASSERT_GE(report.chosen, 0);
  EXPECT_EQ(layout_name(chosen(report).layout), "stages of 8 + 4");
  EXPECT_THAT(chosen(report).plan->first_layer, ElementsAre(0, 34, 60));
  for (const char* mix : {"UD-Q3_K_XL", "MXFP4_MOE", "Q8_0", "BF16"})
    EXPECT_EQ(verdict(mix, hardware), "stages of 8 + 4") << mix;
  EXPECT_THAT(report.why, HasSubstr("experts spread inside"));
}

// 35B Q4: 22.259 GB of weights, 0.527 states of 8 sequences, 0.176 scratch: 22.96 of 22.9, so no
// context does. With one sequence 0.066 + 0.168: 22.493, and 0.407 GB are left for KV of 40,960 a
// token: 9,900 tokens, 9 x 1,024. Q3: 16.619 + 0.703: 5.578 GB left, 136,190 tokens: 132 x 1,024.
// Q8: 36.9 GB do not.
TEST(RealPlans, A35BOnOneCardOf24GB) {
  const ClusterHardware hardware = alike(1, 1, "rtx4090");
  const LayoutReport q4 = search(headers("35b", "UD-Q4_K_XL"), hardware);
  ASSERT_EQ(q4.chosen, -1);
  EXPECT_EQ(q4.judged[0].would_fit, "fewer sequences and a shorter context: -np 1 -c 7168");
  EXPECT_GE(
      search(headers("35b", "UD-Q4_K_XL"), hardware, {.context = 7168, .max_sequences = 1}).chosen,
      0);
  const LayoutReport q3 = search(headers("35b", "UD-Q3_K_XL"), hardware);
  ASSERT_EQ(q3.chosen, -1);
  EXPECT_EQ(q3.judged[0].would_fit, "a shorter context: -c 133120");
  EXPECT_GE(search(headers("35b", "UD-Q3_K_XL"), hardware, {.context = 133120}).chosen, 0);
  EXPECT_EQ(search(headers("35b", "UD-Q3_K_XL"), hardware, {.context = 134144}).chosen, -1);
  const LayoutReport q8 = search(headers("35b", "Q8_0"), hardware);
  EXPECT_EQ(q8.chosen, -1);
  EXPECT_THAT(q8.judged[0].would_fit, HasSubstr("devices with"));
}

// 122B Q4: 77.1016 GB of weights, 8 x 0.1563 of states, scratch 260,164 B x 512 + 4,096 x 12,288 +
// 128 MiB + 32 rows of logits = 0.3495: 0.1985 GB of 78.9 are left for KV of 49,152 a token: 4,037
// tokens, 3 x 1,024. The whole context of 12.9 GB fits beside them in 139.9.
TEST(RealPlans, A122BOnOneGpu) {
  const Headers& model = headers("122b", "UD-Q4_K_XL");
  const LayoutReport small = search(model, alike(1, 1, "h100"));
  ASSERT_EQ(small.chosen, -1);
  EXPECT_EQ(small.judged[0].would_fit, "a shorter context: -c 3072");
  EXPECT_EQ(search(model, alike(1, 1, "h200")).chosen, 0);
}

// To the byte, on 1 x 8 x 80 GB, Q4, 8 sequences of 32,768 tokens.
TEST(RealPlans, BytesOfARank) {
  const Headers& model = headers("397b", "UD-Q4_K_XL");
  const LayoutReport report = search(model, alike(1, 8, "h100"), {.context = 32768});
  const ShardPlan& plan = *chosen(report).plan;
  const RankShare& share = plan.ranks[7];
  EXPECT_EQ(share.expert_bytes, 234'360'930'304u / 8);
  EXPECT_EQ(share.weight_bytes, 10'900'204'544u + 234'360'930'304u / 8);
  EXPECT_EQ(share.state_bytes, 8u * 195'379'200u);
  EXPECT_EQ(share.kv_bytes, 32'768u * 61'440u);  // one sequence on each rank
  const ClassBytes classes = class_bytes(model.files.directory, share);
  const auto bytes = [&](loader::TensorClass kind) { return classes[static_cast<size_t>(kind)]; };
  EXPECT_EQ(bytes(loader::TensorClass::kEmbedding), 248'320u * 4096u / 32 * 34);
  // 14 layers of 104,857,600 parameters in q8_0 and one in bf16, and 15 x 2 norms belong to others.
  EXPECT_EQ(bytes(loader::TensorClass::kAttention),
            14u * 104'857'600u / 32 * 34 + 104'857'600u * 2);
  EXPECT_EQ(bytes(loader::TensorClass::kRouter), 60u * 512 * 4096 * 4);
}

// Sequences of 65,536 tokens there: each takes 0.1954 GB of state on every rank and 0.001 of
// logits, and 4.027 GB of KV on one of 8. 78.9 - 40.195 weights - 2.039 scratch without logits -
// 0.235 messages = 36.43 GB. 48: 9.38 + 0.05 + 6 x 4.027 = 33.6 fits; 49 puts a seventh on some
// rank: 9.57 + 0.05 + 28.19 = 37.8 does not.
TEST(RealPlans, SequencesThatFit) {
  const Headers& model = headers("397b", "UD-Q4_K_XL");
  const LayoutReport report = search(model, alike(1, 8, "h100"));
  const Judged& judged = chosen(report);
  EXPECT_EQ(max_sequences_at(model.config, *judged.plan, judged.cluster, 65536), 48);
}

// Q3 with 32,768 tokens (2.01 GB of KV; half on each of two stages) on 2 x 8 x 80 GB. All 16 hold
// 178.7 GB with room; one node of 8 alone does (31.7 + 1.6 + 2.0 + 0.2 + 2.0). Two stages of 3:
// 28.0 experts, 5.6 rest, 0.8, 0.8, 1.0: fits. Of one node's devices: 3 have 168.1 / 3 = 56 + 10.7
// + 1.6 + 0.85 + 0.07 + 2.0 = 71.2: fits; 2 as two stages: 84 of experts: do not. So 13 may die,
// and of the nodes one.
TEST(RealPlans, RanksThatMayDie) {
  const LayoutReport report =
      search(headers("397b", "UD-Q3_K_XL"), alike(2, 8, "h100"), {.context = 32768});
  EXPECT_EQ(report.losses.ranks, 13);
  EXPECT_EQ(report.losses.nodes, 1);
}

// 8 x 80 GB and 4 x 141 GB of BF16 (793 GB): without the first 559.6 GB are left, without the
// second 631: no node may die. Of 1,190.8 GB, one device of 141 may (1,050.9 is left, 11 devices).
TEST(RealPlans, AnUnlikeNodeMayBeTooMuchToLose) {
  ClusterHardware hardware;
  hardware.nodes = {node("a", 8, "h100"), node("b", 4, "h200")};
  const LayoutReport report = search(headers("397b", "BF16"), hardware, {.context = 32768});
  EXPECT_EQ(report.losses.nodes, 0);
  EXPECT_GE(report.losses.ranks, 1);
  EXPECT_LT(report.losses.ranks, 4);
}

// Bytes over rates, by hand: Q4 on one h100 x 8 from a shared disk of 5 GB/s: 245.26 GB take 49.05
// s.
TEST(RealPlans, LoadTakesWhatTheDiskGives) {
  const LayoutReport report = search(headers("397b", "UD-Q4_K_XL"), alike(1, 8, "h100"));
  EXPECT_NEAR(chosen(report).forecast.load_seconds, 245.261 / 5, 0.01);
  EXPECT_EQ(chosen(report).forecast.load_limit, "the shared disk");
}

// One token of 397B Q4 on 8 h100, at 3.03 TB/s x 0.71 = 2.1513 TB/s:
//   dense without the embedding 10,900,204,544 - 1,080,688,640 = 9.8195 GB: 4.564 ms
//   experts: 1.25 + sqrt(2.5 x ln 8) = 3.530 on the fullest rank, of 0.4577 GB each: 0.751 ms
//   states read and written 0.3908 GB, KV of 4,096 tokens 0.2517 GB: 0.299 ms
//   launches 60 x 38 us: 2.280 ms
//   exchanges 120 x (24 us + 7 copies x 4096 x (1.125 + 4) / 2 B / 100 GB/s = 0.735 us): 2.968 ms
// 10.862 ms together: 92.1 tok/s. With hops of two nodes: one of 30 us + 16 KiB / 12.5 GB/s.
TEST(RealPlans, WhereTheTimeOfATokenGoes) {
  const Headers& model = headers("397b", "UD-Q4_K_XL");
  const LayoutReport report = search(model, alike(1, 8, "h100"));
  const Rate& one = chosen(report).forecast.one;
  EXPECT_NEAR(one.parts[StepPart::kDense] * 1e3, 4.564, 0.001);
  EXPECT_NEAR(one.parts[StepPart::kExperts] * 1e3, 0.751, 0.001);
  EXPECT_NEAR(one.parts[StepPart::kCache] * 1e3, 0.299, 0.001);
  EXPECT_NEAR(one.parts[StepPart::kLaunches] * 1e3, 2.280, 0.001);
  EXPECT_NEAR(one.parts[StepPart::kExchange] * 1e3, 2.968, 0.001);
  EXPECT_NEAR(one.tokens_per_second, 1e3 / 10.862, 0.1);
  EXPECT_EQ(one.limit, StepPart::kDense);
  const LayoutReport two = search(model, alike(2, 8, "h100"));
  EXPECT_NEAR(chosen(two).forecast.one.parts[StepPart::kHops] * 1e6, 30 + 16384 / 12.5e3, 0.001);
}

// Prompts on one h100 of 50 TFLOP/s, 35B: 2 x (1.431 billion dense and 8 x 40 x 3,145,728 of
// experts) = 4.876 GFLOP a token: 512 take 49.9 ms and launches 40 x 38 us: 9,952 tok/s, bound by
// arithmetic.
TEST(RealPlans, PromptsAreBoundByArithmetic) {
  const LayoutReport report = search(headers("35b", "UD-Q4_K_XL"), alike(1, 1, "h100"));
  const Forecast& forecast = chosen(report).forecast;
  EXPECT_EQ(forecast.prompt.limit, StepPart::kArithmetic);
  EXPECT_NEAR(forecast.prompt.tokens_per_second, 9952, 5);
}

// 35B Q4 on one h100, batch 1: the measured 347 tok/s that the rates were fitted to, within the 10
// % that a depth of 4,096 instead of 128 tokens may take.
TEST(RealPlans, TheForecastMeetsWhatWasMeasured) {
  const LayoutReport report =
      search(headers("35b", "UD-Q4_K_XL"), alike(1, 1, "h100"), {.max_sequences = 64});
  const Forecast& forecast = chosen(report).forecast;
  EXPECT_NEAR(forecast.one.tokens_per_second, 347, 35);
  // 64 sequences: 3,209 measured at a depth of 256; KV of 4,096 tokens is 10.7 GB more a step.
  EXPECT_GT(forecast.batch.tokens_per_second, 3209 * 0.4);
  EXPECT_LT(forecast.batch.tokens_per_second, 3209 * 1.1);
  // Prompts of 512 tokens: the rate is the mean of this model's and of the 397B shape's.
  EXPECT_NEAR(forecast.prompt.tokens_per_second, 9718, 1000);
}

TEST(RealPlans, WhatIsToldIsJudgedAndSpreadAsTheSystemDoes) {
  const Headers& model = headers("397b", "UD-Q4_K_XL");
  const LayoutReport told = search(model, alike(2, 8, "h100"), {.widths = {8, 8}});
  ASSERT_EQ(told.chosen, 0);
  EXPECT_THAT(chosen(told).plan->first_layer, ElementsAre(0, 30, 60));
  const LayoutReport layers =
      search(model, alike(2, 8, "h100"), {.widths = {8, 8}, .layers_per_stage = {32, 28}});
  EXPECT_THAT(chosen(layers).plan->first_layer, ElementsAre(0, 32, 60));
  const LayoutReport many = search(model, alike(2, 8, "h100"), {.widths = {8, 9}});
  EXPECT_EQ(many.chosen, -1);
  EXPECT_TRUE(many.judged[0].refusal.usage);
}

TEST(RealPlans, SaysHowManyNodesWouldDo) {
  const LayoutReport report = search(headers("397b", "BF16"), alike(1, 8, "h100"));
  EXPECT_THAT(report.why, HasSubstr("it would on 2 nodes"));
  EXPECT_THAT(report.judged[0].refusal.reason, HasSubstr("rank 0 needs"));
}

}  // namespace
}  // namespace shoal::sharding
