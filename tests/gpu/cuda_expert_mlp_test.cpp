// The experts' MLP with rows for none, few and many of them, to the bit.
#include <algorithm>
#include <numeric>
#include <optional>

#include "tests/gpu/both_sides.h"
#include "tests/unit/kernels/product_data.h"

namespace shoal::kernels {
namespace {

struct Shape {
  DType gate, down;
  int64_t hidden, intermediate;
  DType up = DType::kF32;   // of the gate's type unless it is quantised
  bool own_scales = false;  // a scale an expert and matrix

  DType up_type() const { return is_quantized(up) ? up : gate; }
};

const std::vector<Shape> kShapes = {
    {DType::kQ4_K, DType::kQ5_K, 256, 256},
    {DType::kIQ3_XXS, DType::kIQ4_XS, 512, 256},
    {DType::kMXFP4, DType::kMXFP4, 256, 96},
    {DType::kQ8_0, DType::kQ6_K, 64, 256},
    {DType::kBF16, DType::kBF16, 64, 48},
    {DType::kQ8_0, DType::kF32, 64, 96},
};

// What the tuned kernels do not take: other types, unlike gate and up, scales.
const std::vector<Shape> kOtherShapes = {
    {DType::kQ2_K, DType::kQ3_K, 512, 256},
    {DType::kQ4_0, DType::kQ4_1, 64, 96},
    {DType::kQ5_1, DType::kQ5_0, 96, 64},
    {DType::kIQ2_XXS, DType::kIQ2_S, 256, 256},
    {DType::kIQ2_XS, DType::kIQ3_S, 256, 256},
    {DType::kIQ1_S, DType::kIQ1_M, 256, 256},
    {DType::kTQ1_0, DType::kTQ2_0, 256, 256},
    {DType::kIQ4_NL, DType::kF16, 64, 48},
    {DType::kQ4_K, DType::kQ5_K, 256, 256, DType::kQ6_K},
    {DType::kQ3_K, DType::kMXFP4, 256, 96, DType::kIQ4_XS},
    {DType::kBF16, DType::kQ4_0, 64, 96},
    {DType::kNVFP4, DType::kNVFP4, 128, 192, DType::kNVFP4, true},
    {DType::kMXFP4, DType::kQ8_0, 64, 96, DType::kMXFP4, true},
};

// The experts of one matrix, one after another in both planes.
class ExpertMatrix {
 public:
  ExpertMatrix(DType dtype, int64_t rows, int64_t cols, std::mt19937& random, int count)
      : rows_(rows), all_(dtype, rows * count, cols, random), device_(all_.view()) {}

  WeightView host(int expert) const {
    return all_.view().slice_rows(expert * rows_, (expert + 1) * rows_);
  }
  WeightView device(int expert) const {
    WeightView view = device_.view();
    view.rows = rows_;
    const auto cut = find_block_cut(view.dtype);
    const int64_t bytes = rows_ * row_bytes(view.dtype, view.cols);
    if (!cut) {
      view.data += expert * bytes;
      return view;
    }
    const int64_t blocks = bytes / cut->block_bytes;
    view.data += expert * blocks * cut->body_bytes();
    view.heads += expert * blocks * cut->head_bytes;
    return view;
  }

 private:
  int64_t rows_;
  WeightMatrix all_;
  DeviceWeight device_;
};

struct Experts {
  std::mt19937 random{29};
  ExpertMatrix gate, up, down;
  std::vector<ExpertWeights> host, device;

  Experts(const Shape& shape, int count)
      : gate(shape.gate, shape.intermediate, shape.hidden, random, count),
        up(shape.up_type(), shape.intermediate, shape.hidden, random, count),
        down(shape.down, shape.hidden, shape.intermediate, random, count) {
    for (int e = 0; e < count; ++e) {
      host.push_back({gate.host(e), up.host(e), down.host(e)});
      device.push_back({gate.device(e), up.device(e), down.device(e)});
      if (!shape.own_scales) continue;
      for (ExpertWeights* weights : {&host.back(), &device.back()}) {
        weights->gate.scale = 0.5f + 0.13f * static_cast<float>(e);
        weights->up.scale = 1.5f - 0.17f * static_cast<float>(e);
        weights->down.scale = 0.7f + 0.11f * static_cast<float>(e);
      }
    }
  }
};

// A shared expert of Q8_0 and where its parts go; the reference's are made here.
class Shared {
 public:
  Shared(const Shape& shape, const std::vector<float>& token_rows, int64_t tokens)
      : gate_(DType::kQ8_0, shape.intermediate, shape.hidden, random_, 1),
        up_(DType::kQ8_0, shape.intermediate, shape.hidden, random_, 1),
        down_(DType::kQ8_0, shape.hidden, shape.intermediate, random_, 1),
        input_(token_rows, shape.hidden, ActivationFormat::kInt16),
        device_input_(input_.rows()),
        gate_out_(tokens * shape.intermediate, NAN),
        up_out_(tokens * shape.intermediate, NAN),
        inner_(tokens, shape.intermediate),
        output_(tokens * shape.hidden, NAN) {
    Machine reference(Backend::kReference);
    const SharedExpert own = of(Side::kHost);
    const Projection first[] = {{own.weights.gate, own.gate}, {own.weights.up, own.up}};
    const Projection second[] = {{own.weights.down, own.output}};
    reference.run(&KernelTable::project, {own.input, first});
    reference.run(
        &KernelTable::silu_inputs,
        SiluInputsParams{.mul = {.gate = own.gate, .up = own.up, .output = inner_.f32(Side::kHost)},
                         .output = own.inner});
    reference.run(&KernelTable::project, {own.inner, second});
  }

  SharedExpert of(Side side) {
    const bool host = side == Side::kHost;
    const ActivationRows& rows = host ? input_.rows() : device_input_.rows();
    const int64_t tokens = rows.rows;
    return {.weights = host ? ExpertWeights{gate_.host(0), up_.host(0), down_.host(0)}
                            : ExpertWeights{gate_.device(0), up_.device(0), down_.device(0)},
            .input = {.rows = tokens,
                      .cols = rows.cols,
                      .int16 = {const_cast<void*>(rows.values),
                                const_cast<float*>(rows.scales),
                                const_cast<float*>(rows.sums)}},
            .gate = gate_out_.rows(side, tokens, gate_.host(0).rows),
            .up = up_out_.rows(side, tokens, gate_.host(0).rows),
            .inner = inner_.rows(side, false),
            .output = output_.rows(side, tokens, rows.cols)};
  }
  void expect_same() const { output_.expect_same(); }

 private:
  std::mt19937 random_{37};
  ExpertMatrix gate_, up_, down_;
  Activations input_;
  DeviceRows device_input_;
  Both<float> gate_out_, up_out_;
  BothRows inner_;
  Both<float> output_;
};

// Distinct experts a token; low ids more often, so that some have many rows and some none.
std::vector<int32_t> random_topk(int64_t tokens, int num_experts, int num_topk) {
  std::mt19937 random(41);
  std::vector<int32_t> all(num_experts), ids;
  std::iota(all.begin(), all.end(), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    std::shuffle(all.begin(), all.begin() + std::max(num_topk, num_experts / 2), random);
    if (t % 3 == 0) std::shuffle(all.begin(), all.end(), random);
    ids.insert(ids.end(), all.begin(), all.begin() + num_topk);
  }
  return ids;
}

// The reference takes rows in slot order; the GPU a row a token and the groups.
void expect_equals_reference(
    const Shape& shape, int num_experts, int num_topk, int64_t tokens, bool with_shared = false) {
  SCOPED_TRACE(testing::Message() << dtype_name(shape.gate) << ", " << dtype_name(shape.up_type())
                                  << ", " << dtype_name(shape.down) << ", " << num_topk << " of "
                                  << num_experts << ", " << tokens);
  const Experts experts(shape, num_experts);
  const int64_t num_pairs = tokens * num_topk;
  Both<int32_t> ids(random_topk(tokens, num_experts, num_topk));
  Both<int32_t> starts(num_experts + 1, -1), rows(num_pairs, -1), slots(num_pairs, -1);
  Both<ActiveRows> active(num_experts, ActiveRows{});
  const auto groups = [&](Side side) {
    return RowGroups{.num_experts = num_experts,
                     .num_topk = num_topk,
                     .num_pairs = num_pairs,
                     .starts = starts.at(side),
                     .row_of_slot = rows.at(side),
                     .slot_of_pair = slots.at(side),
                     .active = active.at(side)};
  };
  run_on_both(&KernelTable::group_rows, [&](Side side) {
    return GroupRowsParams{ids.rows(side, tokens, num_topk), groups(side)};
  });

  const ActivationFormat format =
      is_quantized(shape.gate) ? ActivationFormat::kInt8 : ActivationFormat::kF32;
  std::mt19937 random(31);
  const std::vector<float> token_rows = random_floats(tokens * shape.hidden, random);
  std::vector<float> slot_rows;
  for (int64_t slot = 0; slot < num_pairs; ++slot) {
    const auto row = token_rows.begin() + rows.at(Side::kHost)[slot] * shape.hidden;
    slot_rows.insert(slot_rows.end(), row, row + shape.hidden);
  }
  std::vector<int32_t> counts;
  for (int e = 0; e < num_experts; ++e)
    counts.push_back(starts.at(Side::kHost)[e + 1] - starts.at(Side::kHost)[e]);
  const Activations by_slot(slot_rows, shape.hidden, format);
  const Activations by_token(token_rows, shape.hidden, format);
  const DeviceRows device_rows(by_token.rows());
  Both<float> output(num_pairs * shape.hidden, NAN);
  const size_t workspace_bytes = expert_mlp_workspace(num_pairs, shape.intermediate);
  std::vector<std::byte> workspace(workspace_bytes);
  select_kernels(Backend::kReference)
      .expert_mlp({.experts = experts.host,
                   .tokens_per_expert = counts,
                   .input = by_slot.rows(),
                   .output = output.rows(Side::kHost, num_pairs, shape.hidden)},
                  Exec{.workspace = workspace});
  const RowGroups device_groups = groups(Side::kDevice);
  std::optional<Shared> shared;
  if (with_shared) shared.emplace(shape, token_rows, tokens);
  const SharedExpert on_device = with_shared ? shared->of(Side::kDevice) : SharedExpert{};
  GpuMachine(workspace_bytes)
      .run(&KernelTable::expert_mlp,
           ExpertMlpParams{.experts = experts.device,
                           .input = device_rows.rows(),
                           .output = output.rows(Side::kDevice, num_pairs, shape.hidden),
                           .groups = &device_groups,
                           .shared = with_shared ? &on_device : nullptr});
  output.expect_same();
  if (with_shared) shared->expect_same();
}

TEST(CudaExpertMlp, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const Shape& shape : kShapes)
    for (const int64_t tokens : {1, 2, 7, 40, 203}) expect_equals_reference(shape, 8, 3, tokens);
}

TEST(CudaExpertMlp, OtherTypesEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const Shape& shape : kOtherShapes)
    for (const int64_t tokens : {1, 7, 40}) expect_equals_reference(shape, 8, 3, tokens);
}

// From single rows to the tensor cores' way, with experts of many rows and of none.
TEST(CudaExpertMlp, ManyExpertsEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const Shape shape = {DType::kQ8_0, DType::kQ8_0, 32, 32};
  for (const int64_t tokens : {1, 5, 64, 600}) expect_equals_reference(shape, 600, 10, tokens);
}

// One token of the models' shapes and of others that fill slabs and leave some half empty, and the
// shared expert alongside, of one token and of several.
TEST(CudaExpertMlp, FewTokensAndTheSharedExpertEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const Shape shapes[] = {{DType::kQ4_K, DType::kQ5_K, 2048, 512},
                          {DType::kIQ3_XXS, DType::kIQ4_XS, 4096, 1024},
                          {DType::kMXFP4, DType::kMXFP4, 2048, 512},
                          {DType::kQ6_K, DType::kQ6_K, 1024, 256},
                          {DType::kQ8_0, DType::kQ8_0, 256, 1024},
                          {DType::kQ8_0, DType::kQ8_0, 256, 96}};
  for (const Shape& shape : shapes)
    for (const int64_t tokens : {1, 3})
      for (const bool with_shared : {false, true})
        expect_equals_reference(shape, 8, 3, tokens, with_shared);
}

}  // namespace
}  // namespace shoal::kernels
