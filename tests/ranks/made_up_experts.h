// A mixture of experts that is a formula: rows, routing and expert outputs of any (token, expert)
// are known to every rank without asking anyone. Tokens are numbered over the whole world.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "transport/expert_all_to_all.h"

namespace shoal::transport {

struct MadeUpExperts {
  int64_t hidden = 64;
  int num_experts = 16;
  int num_topk = 4;
  bool quantized = true;
  int hot_expert = -1;  // >= 0: the first choice of every token

  int8_t value(int64_t token, int64_t column) const {
    return static_cast<int8_t>((token * 37 + column * 11 + token * column) % 255 - 127);
  }
  float scale(int64_t token, int64_t block) const {
    return 0.001f * static_cast<float>(1 + (token * 5 + block * 3) % 17);
  }
  float sum(int64_t token, int64_t block) const {
    int32_t total = 0;
    for (int64_t i = 0; i < 32; ++i) total += value(token, block * 32 + i);
    return scale(token, block) * static_cast<float>(total);
  }
  // What the expert reads.
  float input(int64_t token, int64_t column) const {
    const auto number = static_cast<float>(value(token, column));
    return quantized ? scale(token, column / 32) * number : number * 0.37f;
  }
  // Different for each k: a stride that is odd, so coprime to a power of two of experts.
  int32_t expert(int64_t token, int k) const {
    if (hot_expert >= 0 && k == 0) return hot_expert;
    const int64_t first = hot_expert >= 0 ? hot_expert : token * 7;
    const int64_t stride = 1 + 2 * (token % 3);
    return static_cast<int32_t>((first + k * stride) % num_experts);
  }
  float weight(int64_t token, int k) const {
    return 1.0f / static_cast<float>(3 + (token + 2 * k) % 11);
  }
  static float output(int32_t expert, float input) {
    return input * (1.0f + 0.013f * static_cast<float>(expert)) + static_cast<float>(expert);
  }
  float residual_before(int64_t token, int64_t column) const {
    return static_cast<float>((token * 3 + column) % 101) * 0.25f;
  }
  // One element after combine: the definition in expert_all_to_all.h, spelled out.
  float residual_after(int64_t token, int64_t column) const {
    float sum = 0;
    for (int k = 0; k < num_topk; ++k)
      sum = std::fma(weight(token, k), output(expert(token, k), input(token, column)), sum);
    return residual_before(token, column) + sum;
  }
};

// Rows and routing of some tokens, in memory as a model would hold them.
struct RoutedTokens {
  std::vector<int8_t> int8_values;
  std::vector<float> f32_values, scales, sums, weights;
  std::vector<int32_t> ids;

  RoutedTokens(const MadeUpExperts& moe, const std::vector<int64_t>& tokens)
      : num_topk_(moe.num_topk) {
    for (const int64_t token : tokens) {
      for (int64_t c = 0; c < moe.hidden; ++c) {
        int8_values.push_back(moe.value(token, c));
        f32_values.push_back(moe.input(token, c));
      }
      for (int64_t block = 0; block < moe.hidden / 32; ++block) {
        scales.push_back(moe.scale(token, block));
        sums.push_back(moe.sum(token, block));
      }
      for (int k = 0; k < moe.num_topk; ++k) {
        ids.push_back(moe.expert(token, k));
        weights.push_back(moe.weight(token, k));
      }
    }
    rows_ = {.format = kernels::ActivationFormat::kF32,
             .rows = static_cast<int64_t>(tokens.size()),
             .cols = moe.hidden,
             .values = f32_values.data()};
    if (moe.quantized) {
      rows_.format = kernels::ActivationFormat::kInt8;
      rows_.values = int8_values.data();
      rows_.scales = scales.data();
      rows_.sums = sums.data();
    }
  }

  Routing routing(int capacity) {
    return {.rows = rows_,
            .topk_ids = view_i32(ids.data(), rows_.rows, num_topk_),
            .topk_weights = view_f32(weights.data(), rows_.rows, num_topk_),
            .token_capacity = capacity};
  }

 private:
  int num_topk_;
  kernels::ActivationRows rows_;
};

}  // namespace shoal::transport
