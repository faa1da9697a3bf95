#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "runtime/base/error.h"
#include "tests/ranks/cases.h"
#include "tests/ranks/made_up_experts.h"

namespace shoal::transport {
namespace {

using kernels::ActivationFormat;
using sharding::ExpertPlacement;

// Which tokens each rank owns.
using Tokens = std::vector<std::vector<int64_t>>;

Tokens spread(int num_tokens, int size, const std::function<int(int64_t)>& owner) {
  Tokens tokens(static_cast<size_t>(size));
  for (int64_t token = 0; token < num_tokens; ++token)
    tokens[static_cast<size_t>(owner(token) % size)].push_back(token);
  return tokens;
}

std::vector<int> everyone(int size) {
  std::vector<int> ranks(static_cast<size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// One rank of the world with its exchange and thread pool.
class Exchange {
 public:
  Exchange(HostComm& comm, const MadeUpExperts& moe, int capacity = 128)
      : comm_(comm),
        moe_(moe),
        shape_{moe.hidden, moe.num_topk, capacity},
        placement_(ExpertPlacement::contiguous(moe.num_experts, comm.size())),
        exchange_(make_expert_all_to_all(comm, everyone(comm.size()), placement_, shape_)) {
    exec_.pool = &pool_;
    exec_.deadline = patient();
  }

  // One MoE layer over tokens spread like this; checks rows, order, bytes and the result.
  void run(const Tokens& tokens) {
    const auto& own = tokens[static_cast<size_t>(comm_.rank())];
    RoutedTokens routed(moe_, own);
    std::vector<float> residual;
    for (const int64_t token : own)
      for (int64_t c = 0; c < moe_.hidden; ++c) residual.push_back(moe_.residual_before(token, c));

    const uint64_t sent = comm_.bytes_sent();
    DispatchHandle handle =
        exchange_->start_dispatch(routed.routing(shape_.max_token_capacity), exec_);
    scribble(routed);  // its memory may be reused from here on
    const ExpertRows rows = exchange_->finish_dispatch(handle, exec_);
    check_rows(rows, tokens);
    std::vector<float> outputs = run_experts(rows);
    const int64_t num_own = static_cast<int64_t>(own.size());
    exchange_->combine(std::move(handle),
                       view_f32(outputs.data(), rows.rows.rows, moe_.hidden),
                       view_f32(residual.data(), num_own, moe_.hidden),
                       exec_);
    check_wire(comm_.bytes_sent() - sent, tokens);
    for (int64_t i = 0; i < num_own; ++i)
      for (int64_t c = 0; c < moe_.hidden; ++c)
        ASSERT_EQ(residual[static_cast<size_t>(i * moe_.hidden + c)],
                  moe_.residual_after(own[static_cast<size_t>(i)], c))
            << "token " << own[static_cast<size_t>(i)] << " column " << c;
  }

 private:
  static void scribble(RoutedTokens& routed) {
    std::fill(routed.int8_values.begin(), routed.int8_values.end(), int8_t{99});
    for (auto* floats : {&routed.f32_values, &routed.scales, &routed.sums, &routed.weights})
      std::fill(floats->begin(), floats->end(), -1e30f);
    std::fill(routed.ids.begin(), routed.ids.end(), -5);
  }

  // By local expert, then source rank, then token: worked out from the formulas alone.
  void check_rows(const ExpertRows& rows, const Tokens& tokens) const {
    const std::span<const int> experts = placement_.experts(comm_.rank());
    ASSERT_EQ(rows.tokens_per_expert.size(), experts.size());
    ASSERT_EQ(rows.rows.cols, moe_.hidden);
    int64_t row = 0;
    for (size_t local = 0; local < experts.size(); ++local) {
      const int64_t begin = row;
      for (const auto& of_rank : tokens)
        for (const int64_t token : of_rank)
          for (int k = 0; k < moe_.num_topk; ++k)
            if (moe_.expert(token, k) == experts[local]) check_row(rows.rows, row++, token);
      ASSERT_EQ(rows.tokens_per_expert[local], row - begin) << "expert " << experts[local];
    }
    ASSERT_EQ(rows.rows.rows, row);
  }

  void check_row(const kernels::ActivationRows& rows, int64_t row, int64_t token) const {
    ASSERT_LT(row, rows.rows);
    for (int64_t c = 0; c < moe_.hidden; ++c) {
      const int64_t i = row * moe_.hidden + c;
      if (moe_.quantized)
        ASSERT_EQ(static_cast<const int8_t*>(rows.values)[i], moe_.value(token, c));
      else
        ASSERT_EQ(static_cast<const float*>(rows.values)[i], moe_.input(token, c));
    }
    if (!moe_.quantized) return;
    for (int64_t block = 0; block < moe_.hidden / 32; ++block) {
      ASSERT_EQ(rows.scales[row * (moe_.hidden / 32) + block], moe_.scale(token, block));
      ASSERT_EQ(rows.sums[row * (moe_.hidden / 32) + block], moe_.sum(token, block));
    }
  }

  // The formula's experts, reading only what arrived.
  std::vector<float> run_experts(const ExpertRows& rows) const {
    std::vector<float> outputs;
    int64_t row = 0;
    for (size_t local = 0; local < rows.tokens_per_expert.size(); ++local) {
      const int32_t expert = placement_.experts(comm_.rank())[local];
      for (int32_t i = 0; i < rows.tokens_per_expert[local]; ++i, ++row)
        for (int64_t c = 0; c < moe_.hidden; ++c) {
          const int64_t at = row * moe_.hidden + c;
          const float input =
              moe_.quantized
                  ? rows.rows.scales[at / 32] *
                        static_cast<float>(static_cast<const int8_t*>(rows.rows.values)[at])
                  : static_cast<const float*>(rows.rows.values)[at];
          outputs.push_back(MadeUpExperts::output(expert, input));
        }
    }
    return outputs;
  }

  void check_wire(uint64_t sent, const Tokens& tokens) const {
    std::vector<std::vector<int32_t>> ids;
    for (const auto& of_rank : tokens) ids.push_back(RoutedTokens(moe_, of_rank).ids);
    const WireBytes expected =
        expected_wire_bytes(ids,
                            comm_.rank(),
                            placement_,
                            shape_,
                            moe_.quantized ? ActivationFormat::kInt8 : ActivationFormat::kF32);
    EXPECT_EQ(sent, expected.dispatch + expected.combine);
  }

  HostComm& comm_;
  MadeUpExperts moe_;
  AllToAllShape shape_;
  ExpertPlacement placement_;
  ThreadPool pool_{2};
  Exec exec_;
  std::unique_ptr<ExpertAllToAll> exchange_;
};

// The same 23 tokens dealt out differently: every element equals the formula, so results are the
// same bits for every spread and every world size.
void any_spread_gives_the_same_bits(HostComm& comm) {
  const int size = comm.size();
  Exchange exchange(comm, {});
  exchange.run(spread(23, size, [](int64_t token) { return static_cast<int>(token); }));
  exchange.run(spread(23, size, [](int64_t token) { return static_cast<int>(token / 9); }));
  exchange.run(spread(23, size, [&](int64_t token) { return static_cast<int>(size - token % 2); }));
}

void odd_sizes(HostComm& comm) {
  for (const int64_t hidden : {32, 96, 1056}) {
    Exchange exchange(comm, {.hidden = hidden, .num_experts = 13, .num_topk = 3});
    for (const int num_tokens : {1, 2, 7, 31})
      exchange.run(spread(num_tokens, comm.size(), [](int64_t t) { return static_cast<int>(t); }));
  }
}

void ranks_without_tokens_take_part(HostComm& comm) {
  Exchange exchange(comm, {});
  for (int owner = 0; owner < comm.size(); ++owner)
    exchange.run(spread(5, comm.size(), [&](int64_t) { return owner; }));
}

void no_tokens_at_all(HostComm& comm) {
  Exchange exchange(comm, {});
  exchange.run(Tokens(static_cast<size_t>(comm.size())));
}

void one_hot_expert(HostComm& comm) {
  for (const int hot : {0, 15}) {
    Exchange exchange(comm, {.num_topk = 1, .hot_expert = hot});
    exchange.run(spread(64, comm.size(), [](int64_t t) { return static_cast<int>(t); }));
  }
}

void float_rows(HostComm& comm) {
  Exchange exchange(comm, {.hidden = 50, .quantized = false});
  exchange.run(spread(17, comm.size(), [](int64_t t) { return static_cast<int>(t); }));
}

// Large enough for the thread pool to share the copies and the sums.
void many_tokens(HostComm& comm) {
  Exchange exchange(comm, {.hidden = 1024, .num_topk = 8}, 600);
  exchange.run(spread(600, comm.size(), [](int64_t t) { return static_cast<int>(t); }));
}

void many_layers_in_a_row(HostComm& comm) {
  Exchange exchange(comm, {});
  for (int layer = 0; layer < 200; ++layer)
    exchange.run(
        spread(1 + layer % 5, comm.size(), [&](int64_t t) { return static_cast<int>(t) + layer; }));
}

// Two groups at once: pipeline stages do not hear each other.
void a_group_is_part_of_the_world(HostComm& comm) {
  if (comm.size() < 3) return;
  const int cut = comm.size() / 2;
  const bool low = comm.rank() < cut;
  std::vector<int> group;
  for (int rank = low ? 0 : cut; rank < (low ? cut : comm.size()); ++rank) group.push_back(rank);
  const auto placement = ExpertPlacement::contiguous(16, static_cast<int>(group.size()));
  const MadeUpExperts moe;
  const auto exchange =
      make_expert_all_to_all(comm, group, placement, {moe.hidden, moe.num_topk, 8});
  RoutedTokens routed(moe, {comm.rank()});
  ThreadPool pool(1);
  const Exec exec{.pool = &pool, .deadline = patient()};
  DispatchHandle handle = exchange->start_dispatch(routed.routing(8), exec);
  const ExpertRows rows = exchange->finish_dispatch(handle, exec);
  // Each member's token meets all of its top-k experts somewhere in its own group.
  int64_t expected = 0;
  const auto mine = placement.experts(comm.rank() - group.front());
  for (const int rank : group)
    for (int k = 0; k < moe.num_topk; ++k)
      expected += moe.expert(rank, k) >= mine.front() && moe.expert(rank, k) <= mine.back();
  EXPECT_EQ(rows.rows.rows, expected);
  std::vector<float> outputs(static_cast<size_t>(rows.rows.rows * moe.hidden), 1.0f);
  std::vector<float> residual(static_cast<size_t>(moe.hidden), 0.0f);
  exchange->combine(std::move(handle),
                    view_f32(outputs.data(), rows.rows.rows, moe.hidden),
                    view_f32(residual.data(), 1, moe.hidden),
                    exec);
  float sum = 0;
  for (int k = 0; k < moe.num_topk; ++k) sum = std::fma(moe.weight(comm.rank(), k), 1.0f, sum);
  for (const float value : residual) EXPECT_EQ(value, sum);
}

constexpr RankCase kCases[] = {
    {"AnySpreadGivesTheSameBits", any_spread_gives_the_same_bits},
    {"OddSizes", odd_sizes},
    {"RanksWithoutTokensTakePart", ranks_without_tokens_take_part},
    {"NoTokensAtAll", no_tokens_at_all},
    {"OneHotExpert", one_hot_expert},
    {"FloatRows", float_rows},
    {"ManyTokens", many_tokens},
    {"ManyLayersInARow", many_layers_in_a_row},
    {"AGroupIsPartOfTheWorld", a_group_is_part_of_the_world},
};

}  // namespace

std::span<const RankCase> expert_cases() { return kCases; }

}  // namespace shoal::transport
