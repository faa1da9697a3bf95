// The pieces under the exchange, one at a time, on inputs small enough to work out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "runtime/base/error.h"
#include "transport/dispatch_message.h"
#include "transport/expert_all_to_all.h"
#include "transport/expert_grouping.h"
#include "transport/loopback_comm.h"
#include "transport/routing_table.h"
#include "transport/row_gather.h"
#include "transport/weighted_sum.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;
using kernels::ActivationRows;
using sharding::ExpertPlacement;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Pair = RowExpertPair;
using Home = RoutingTable::Home;

TEST(RoutingTable, TheWorkedExample) {
  RoutingTable table;
  table.build(std::vector<int32_t>{0, 5, 5, 4}, 2, ExpertPlacement::contiguous(8, 2), 0);
  EXPECT_THAT(table.to(0).tokens, ElementsAre(0));
  EXPECT_THAT(table.to(0).pairs, ElementsAre(Pair{0, 0}));
  EXPECT_THAT(table.to(1).tokens, ElementsAre(0, 1));
  EXPECT_THAT(table.to(1).pairs, ElementsAre(Pair{0, 1}, Pair{1, 1}, Pair{1, 0}));
  EXPECT_EQ(table.home(0, 0), (Home{0, 0}));
  EXPECT_EQ(table.home(0, 1), (Home{1, 0}));
  EXPECT_EQ(table.home(1, 0), (Home{1, 1}));
  EXPECT_EQ(table.home(1, 1), (Home{1, 2}));
}

TEST(RoutingTable, RebuildingForgets) {
  RoutingTable table;
  const auto placement = ExpertPlacement::contiguous(8, 2);
  table.build(std::vector<int32_t>{0, 5}, 2, placement, 0);
  table.build({}, 2, placement, 0);
  EXPECT_THAT(table.to(0).tokens, IsEmpty());
  EXPECT_THAT(table.to(1).pairs, IsEmpty());
}

TEST(RoutingTableDeathTest, AnUnknownExpertIsABug) {
  RoutingTable table;
  EXPECT_DEATH(table.build(std::vector<int32_t>{8}, 1, ExpertPlacement::contiguous(8, 2), 0),
               "expert 8 of 8");
}

TEST(ExpertGrouping, ByExpertThenSourceThenRow) {
  // Two sources of one-column f32 rows; local experts 0, 1, 2.
  const std::vector<float> first = {10, 11}, second = {20, 21};
  const std::vector<Pair> first_pairs = {{0, 2}, {0, 0}, {1, 2}}, second_pairs = {{0, 0}, {1, 2}};
  const std::vector<ExpertGrouping::Source> sources = {
      {{.rows = 2, .cols = 1, .values = first.data()}, first_pairs},
      {{.rows = 2, .cols = 1, .values = second.data()}, second_pairs}};
  ExpertGrouping grouping(3, 1);
  grouping.group(sources, ActivationFormat::kF32, {});
  EXPECT_THAT(grouping.tokens_per_expert(), ElementsAre(2, 0, 3));
  const auto* const values = static_cast<const float*>(grouping.rows().values);
  EXPECT_THAT(std::vector<float>(values, values + 5), ElementsAre(10, 20, 10, 11, 21));
  EXPECT_THAT(grouping.row_map(0), ElementsAre(2, 0, 3));
  EXPECT_THAT(grouping.row_map(1), ElementsAre(1, 4));
}

class DispatchMessage : public testing::Test {
 protected:
  DispatchMessage() {
    for (size_t i = 0; i < values_.size(); ++i) values_[i] = static_cast<int8_t>(i * 5);
    destination_.tokens = {0, 2};
    destination_.pairs = {{0, 1}, {1, 0}, {1, 3}};
    const ActivationRows rows{.format = ActivationFormat::kInt8,
                              .rows = 3,
                              .cols = 32,
                              .values = values_.data(),
                              .scales = scales_.data()};
    message_.resize(dispatch_message_bytes(2, 3, 32, ActivationFormat::kInt8));
    encode_dispatch(rows, destination_, 9, message_.data());
  }

  std::string refusal(std::span<const std::byte> message) {
    std::vector<Pair> pairs;
    try {
      decode_dispatch(message, terms_, 6, pairs);
    } catch (const Error& error) {
      return error.what();
    }
    return "(accepted)";
  }
  void poke(size_t at, uint32_t value) { std::memcpy(message_.data() + at, &value, sizeof value); }
  void poke16(size_t at, uint16_t value) {
    std::memcpy(message_.data() + at, &value, sizeof value);
  }

  std::vector<int8_t> values_ = std::vector<int8_t>(96);
  std::vector<float> scales_ = {0.5f, 0.25f, 2.0f};
  RoutingTable::Destination destination_;
  std::vector<std::byte> message_;
  DispatchTerms terms_{.hidden_size = 32,
                       .num_topk = 2,
                       .num_local_experts = 4,
                       .max_rows = 8,
                       .format = ActivationFormat::kInt8,
                       .sequence = 9};
};

TEST_F(DispatchMessage, SizeByHand) {
  // 16 + (2 counts + 3 experts) x 2 = 10, padded to 12 + 2 x 32 values + 2 x 1 scale x 4.
  EXPECT_EQ(message_.size(), 16u + 12 + 64 + 8);
  EXPECT_EQ(dispatch_message_bytes(0, 0, 4096, ActivationFormat::kInt8), 16u);
  EXPECT_EQ(dispatch_message_bytes(1, 1, 50, ActivationFormat::kF32), 16u + 4 + 200);
}

TEST_F(DispatchMessage, RoundTrips) {
  std::vector<Pair> pairs;
  const ActivationRows rows = decode_dispatch(message_, terms_, 6, pairs);
  EXPECT_EQ(pairs, destination_.pairs);
  ASSERT_EQ(rows.rows, 2);
  EXPECT_EQ(std::memcmp(rows.values, values_.data(), 32), 0);
  EXPECT_EQ(std::memcmp(static_cast<const int8_t*>(rows.values) + 32, values_.data() + 64, 32), 0);
  EXPECT_EQ(rows.scales[0], 0.5f);
  EXPECT_EQ(rows.scales[1], 2.0f);
  EXPECT_EQ(rows.sums, nullptr);
}

TEST_F(DispatchMessage, EveryCutIsRefused) {
  for (size_t size = 0; size < message_.size(); ++size)
    EXPECT_THAT(refusal({message_.data(), size}), HasSubstr("rank 6")) << size;
}

TEST_F(DispatchMessage, ContradictionsAreNamed) {
  const std::vector<std::byte> good = message_;
  const auto after = [&](auto change) {
    message_ = good;
    change();
    return refusal(message_);
  };
  EXPECT_EQ(after([] {}), "(accepted)");
  EXPECT_THAT(after([&] { poke(0, 9); }), HasSubstr("9 rows"));
  EXPECT_THAT(after([&] { poke(0, 0xffffffff); }), HasSubstr("rows"));
  EXPECT_THAT(after([&] { poke(4, 5); }), HasSubstr("5 pairs"));
  EXPECT_THAT(after([&] { poke(4, 2); }), HasSubstr("dispatch message"));
  EXPECT_THAT(after([&] { poke(8, 0); }), HasSubstr("row format 0"));
  EXPECT_THAT(after([&] { poke(12, 8); }), HasSubstr("it is for dispatch 8, this rank is at 9"));
  EXPECT_THAT(after([&] { poke16(16, 4); }), HasSubstr("more experts"));
  EXPECT_THAT(after([&] { poke16(16, 0); }), HasSubstr("fewer experts"));
  EXPECT_THAT(after([&] { poke16(20, 4); }), HasSubstr("expert 4 of 4"));
}

TEST(WeightedSum, TheVersionsGiveTheSameBits) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    GTEST_SKIP() << "no AVX2 here";
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const int64_t hidden : {1, 7, 15, 16, 17, 64, 100}) {
    for (const int num_topk : {1, 3, 10}) {
      std::vector<float> data(static_cast<size_t>(hidden * num_topk)), weights(10), scalar(100);
      for (auto* floats : {&data, &weights, &scalar})
        for (float& value : *floats) value = normal(random);
      std::vector<float> vector = scalar;
      std::vector<const float*> outputs;
      for (int k = 0; k < num_topk; ++k) outputs.push_back(data.data() + k * hidden);
      WeightedSumParams params{.outputs = outputs.data(),
                               .weights = weights.data(),
                               .num_topk = num_topk,
                               .residual = scalar.data(),
                               .hidden_size = hidden};
      weighted_sum_portable(params);
      params.residual = vector.data();
      weighted_sum_avx2(params);
      ASSERT_EQ(std::memcmp(scalar.data(), vector.data(), 100 * sizeof(float)), 0)
          << hidden << " " << num_topk;
    }
  }
#endif
}

TEST(ExpectedWireBytes, ByHand) {
  // Experts 0-3 on rank 0, 4-7 on rank 1. Rank 0 has token {0, 5} and token {5, 4}; rank 1 {1, 2}.
  const std::vector<std::vector<int32_t>> ids = {{0, 5, 5, 4}, {1, 2}};
  const auto placement = ExpertPlacement::contiguous(8, 2);
  const AllToAllShape shape{.hidden_size = 64, .num_topk = 2, .max_token_capacity = 4};
  // Rank 0 sends 2 rows and 3 pairs: 16 + 12 + 2 x (64 + 8); gets 1 row with 2 pairs and returns 2.
  const WireBytes zero = expected_wire_bytes(ids, 0, placement, shape, ActivationFormat::kInt8);
  EXPECT_EQ(zero.dispatch, 16u + 12 + 2 * 72);
  EXPECT_EQ(zero.combine, 2u * 64 * 4);
  // Rank 1 sends 1 row and 2 pairs: 16 + 8 + 72; returns 3.
  const WireBytes one = expected_wire_bytes(ids, 1, placement, shape, ActivationFormat::kInt8);
  EXPECT_EQ(one.dispatch, 16u + 8 + 72);
  EXPECT_EQ(one.combine, 3u * 64 * 4);
}

TEST(ExpertAllToAllDeathTest, OverflowingTheCapacityIsABug) {
  const auto world = make_loopback_world(1);
  const auto exchange =
      make_expert_all_to_all(*world[0],
                             {0},
                             ExpertPlacement::contiguous(4, 1),
                             {.hidden_size = 4, .num_topk = 1, .max_token_capacity = 8});
  const std::vector<float> values(12);
  const Routing routing{.rows = {.rows = 3, .cols = 4, .values = values.data()},
                        .token_capacity = 2};
  EXPECT_DEATH(exchange->start_dispatch(routing, {}), "3 rows, capacity 2, at most 8");
}

TEST(ReplicatedRows, AcceptsOnlyItself) {
  std::vector<float> a(4), b(4);
  ReplicatedRows gather;
  gather.all_gather(view_f32(a.data(), 2, 2), view_f32(a.data(), 2, 2), {});
  EXPECT_DEATH(gather.all_gather(view_f32(a.data(), 2, 2), view_f32(b.data(), 2, 2), {}),
               "their own gather");
}

}  // namespace
}  // namespace shoal::transport
