#include "loader/format/tensor_directory.h"

#include <gtest/gtest.h>

#include <limits>

#include "loader/format/model_config.h"

namespace shoal::loader {
namespace {

TensorInfo tensor(const std::string& name, DType dtype, std::array<int64_t, 4> ne) {
  TensorInfo out;
  out.name = name;
  out.dtype = dtype;
  out.ne = ne;
  out.shard = 2;
  out.offset = 1000;
  return out;
}

// Expert e of {in, out, experts} lies at offset + e * out * row bytes.
TEST(OuterRange, ExpertsAreContiguousSlabs) {
  // Q4_K: 256 elements in 144 bytes, so a row of 512 has 288 and an expert of 3 rows has 864.
  const TensorInfo experts = tensor("blk.0.ffn_up_exps.weight", DType::kQ4_K, {512, 3, 16, 1});
  EXPECT_EQ(outer_range(experts, 0, 16), (ByteRange{2, 1000, 16 * 864}));
  EXPECT_EQ(outer_range(experts, 6, 11), (ByteRange{2, 1000 + 6 * 864, 5 * 864}));
  EXPECT_EQ(outer_range(experts, 4, 4).bytes, 0U);
}

TEST(OuterRange, RowsOfAMatrixAndWholeVectors) {
  const TensorInfo matrix = tensor("output.weight", DType::kQ8_0, {64, 10, 1, 1});
  EXPECT_EQ(outer_range(matrix, 3, 5), (ByteRange{2, 1000 + 3 * 68, 2 * 68}));
  const TensorInfo vector = tensor("output_norm.weight", DType::kF32, {7, 1, 1, 1});
  EXPECT_EQ(outer_range(vector, 0, 1), (ByteRange{2, 1000, 28}));
}

TEST(TensorClass, ByName) {
  const auto of = [](const char* name) {
    return tensor_class(tensor(name, DType::kF32, {1, 1, 1, 1}));
  };
  EXPECT_EQ(of("token_embd.weight"), TensorClass::kEmbedding);
  EXPECT_EQ(of("output.weight"), TensorClass::kLmHead);
  EXPECT_EQ(of("output_norm.weight"), TensorClass::kNorm);
  EXPECT_EQ(of("blk.12.attn_q.weight"), TensorClass::kAttention);
  EXPECT_EQ(of("blk.12.attn_qkv.weight"), TensorClass::kDeltaNet);
  EXPECT_EQ(of("blk.0.ssm_a"), TensorClass::kDeltaNet);
  EXPECT_EQ(of("blk.0.ffn_gate_inp.weight"), TensorClass::kRouter);
  EXPECT_EQ(of("blk.0.ffn_gate_inp_shexp.weight"), TensorClass::kSharedExpert);
  EXPECT_EQ(of("blk.0.ffn_down_exps.weight"), TensorClass::kRoutedExpert);
  EXPECT_EQ(of("blk.x.ffn_down_exps.weight"), TensorClass::kOther);
  EXPECT_EQ(of("ssm_a"), TensorClass::kOther);
}

TEST(TensorLayer, NumberInTheName) {
  const auto of = [](const char* name) {
    return tensor_layer(tensor(name, DType::kF32, {1, 1, 1, 1}));
  };
  EXPECT_EQ(of("blk.59.attn_q.weight"), 59);
  EXPECT_EQ(of("output.weight"), -1);
  EXPECT_EQ(of("blk.-1.x"), -1);
  EXPECT_EQ(of("blk.7"), -1);
  EXPECT_EQ(of("blk.99999999999999999999.x"), std::numeric_limits<int>::max());
  EXPECT_EQ(layer_tensor(3, "attn_q.weight"), "blk.3.attn_q.weight");
}

}  // namespace
}  // namespace shoal::loader
