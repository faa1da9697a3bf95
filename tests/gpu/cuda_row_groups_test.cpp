// Grouping, combination, and tokens and rows by index: exact, the choice of equals included.
#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/gpu/both_sides.h"

namespace shoal::kernels {
namespace {

// Distinct experts a token, low ids more often.
std::vector<int32_t> random_topk(int64_t tokens, int num_experts, int num_topk) {
  std::mt19937 random(41);
  std::vector<int32_t> all(num_experts), ids;
  std::iota(all.begin(), all.end(), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    std::shuffle(all.begin(), all.begin() + std::max(num_topk, num_experts / 2), random);
    ids.insert(ids.end(), all.begin(), all.begin() + num_topk);
  }
  return ids;
}

TEST(CudaRowGroups, EqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const auto& [tokens, num_experts, num_topk] : {std::tuple{0, 16, 4},
                                                      {1, 256, 8},
                                                      {3, 512, 10},
                                                      {4, 8, 8},
                                                      {64, 256, 8},
                                                      {37, 512, 10},
                                                      {3, 1, 1},
                                                      {600, 96, 6}}) {
    SCOPED_TRACE(testing::Message() << tokens << " tokens, " << num_experts << " experts");
    const int64_t num_pairs = int64_t{tokens} * num_topk;
    Both<int32_t> ids(random_topk(tokens, num_experts, num_topk));
    Both<int32_t> starts(num_experts + 1, -1), rows(num_pairs, -1), slots(num_pairs, -1);
    Both<ActiveRows> active(num_experts, ActiveRows{-1, -1, -1, -1});
    run_on_both(&KernelTable::group_rows, [&](Side side) {
      return GroupRowsParams{.topk_ids = ids.rows(side, tokens, num_topk),
                             .groups = {.num_experts = num_experts,
                                        .num_topk = num_topk,
                                        .num_pairs = num_pairs,
                                        .starts = starts.at(side),
                                        .row_of_slot = rows.at(side),
                                        .slot_of_pair = slots.at(side),
                                        .active = active.at(side)}};
    });
    starts.expect_same();
    rows.expect_same();
    slots.expect_same();
    active.expect_same();
  }
}

TEST(CudaExchangeRows, MapPlaceAndMoveEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  // Two tables of four ids, three rows each; seven rows out, of which the last is padding.
  Both<int32_t> ids({0, 3, 1, -1, 2, 0, 3, 3, 1, 2, 0, -1}), tables({1, 0, -1, 1, 0, -1, 1, 0});
  Both<int32_t> mapped(14, 5);
  run_on_both(&KernelTable::map_ids, [&](Side side) {
    return MapIdsParams{.ids = ids.rows(side, 6, 2),
                        .table = tables.at(side),
                        .num_ids = 4,
                        .rows_per_table = 3,
                        .output = mapped.rows(side, 7, 2)};
  });
  mapped.expect_same();
  Both<int32_t> starts(3, -1), rows(14, -1), slots(14, -1);
  Both<ActiveRows> active(2, ActiveRows{});
  const auto groups = [&](Side side) {
    return RowGroups{.num_experts = 2,
                     .num_topk = 2,
                     .num_pairs = 14,
                     .starts = starts.at(side),
                     .row_of_slot = rows.at(side),
                     .slot_of_pair = slots.at(side),
                     .active = active.at(side)};
  };
  run_on_both(&KernelTable::group_rows, [&](Side side) {
    return GroupRowsParams{.topk_ids = mapped.rows(side, 7, 2), .groups = groups(side)};
  });
  run_on_both(&KernelTable::place_pairs, [&](Side side) {
    return PlacePairsParams{.ids = mapped.rows(side, 7, 2), .groups = groups(side), .capacity = 9};
  });
  slots.expect_same();
  Both<int32_t> order({13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  for (const int64_t cols : {64, 70}) {
    Both<float> input(random_floats(14 * cols, 8u)), output(18 * cols, 0.0f);
    run_on_both(&KernelTable::move_rows, [&](Side side) {
      return MoveRowsParams{.input = input.rows(side, 14, cols),
                            .from = order.at(side),
                            .to = slots.at(side),
                            .num_pairs = 14,
                            .output = output.rows(side, 18, cols)};
    });
    output.expect_same();
  }
}

TEST(CudaCombineRows, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const bool with_shared : {false, true})
    for (const int64_t tokens : {1, 5}) {
      const int64_t cols = 300, num_topk = 6, num_pairs = tokens * num_topk;
      std::vector<int32_t> order(num_pairs);
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), std::mt19937(2));
      Both<int32_t> slots(order);
      Both<float> out(random_floats(num_pairs * cols, 3u)), weights(random_floats(num_pairs, 4u));
      Both<float> shared(random_floats(tokens * cols, 5u)), gate(random_floats(tokens, 6u));
      Both<float> residual(random_floats(tokens * cols, 7u));
      run_on_both(&KernelTable::combine_rows, [&](Side side) {
        return CombineRowsParams{
            .expert_out = out.rows(side, num_pairs, cols),
            .topk_weights = weights.rows(side, tokens, num_topk),
            .slot_of_pair = slots.at(side),
            .shared = with_shared ? shared.rows(side, tokens, cols) : TensorView{},
            .shared_gate = gate.at(side),
            .residual = residual.rows(side, tokens, cols)};
      });
      residual.expect_same();
    }
}

TEST(CudaTokenRows, FillAndGatherEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  Both<int32_t> ids({5, 6, -1, 9, -1}), starts({0, 2, 3, 3, 4, 5}), slots({4, 0, 1, 2, 3});
  Both<int32_t> last({10, 11, 12, 13, 14});
  run_on_both(&KernelTable::fill_tokens, [&](Side side) {
    return FillTokensParams{.token_ids = ids.rows(side, 5),
                            .sequence_starts = starts.rows(side, 6),
                            .slots = slots.rows(side, 5),
                            .last_tokens = last.at(side)};
  });
  ids.expect_same();
  Both<float> input(random_floats(5 * 70, 1u)), output(3 * 70, NAN);
  Both<int32_t> rows({4, 0, 4});
  run_on_both(&KernelTable::gather_rows, [&](Side side) {
    return GatherRowsParams{.input = input.rows(side, 5, 70),
                            .row_ids = rows.rows(side, 3),
                            .output = output.rows(side, 3, 70)};
  });
  output.expect_same();
}

TEST(CudaTokenRows, ArgmaxEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const int64_t vocab = 5000;
  std::vector<float> logits = random_floats(6 * vocab, 9u);
  logits[10] = logits[4000] = 50;                       // a tie, in row 0
  logits[vocab + 7] = 60;                               // the largest is masked, in row 1
  std::fill_n(logits.begin() + 2 * vocab, vocab, NAN);  // nothing but NaN, in row 2
  logits[3 * vocab] = NAN;
  std::fill_n(logits.begin() + 4 * vocab, vocab, -std::numeric_limits<float>::infinity());
  Both<float> d_logits(logits);
  Both<int32_t> masked({0, 7, 4999}), ids(6, -1), slots({5, 3, 1, 0, 2, 4}), last(6, -1);
  run_on_both(
      &KernelTable::argmax_rows,
      [&](Side side) {
        return ArgmaxRowsParams{.logits = d_logits.rows(side, 6, vocab),
                                .masked = masked.at(side),
                                .num_masked = 3,
                                .token_ids = ids.rows(side, 6),
                                .slots = slots.rows(side, 6),
                                .last_tokens = last.at(side)};
      },
      argmax_workspace(6));
  ids.expect_same();
  last.expect_same();
}

}  // namespace
}  // namespace shoal::kernels
