// Weights as a device gets them, followed in host memory: cut pieces of many copies are the blocks
// of the file again, and an expert's rows are where the next begins.
#include "runtime/engine/device_weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "kernels/quant/split_blocks.h"
#include "runtime/base/error.h"

namespace shoal::engine {
namespace {

std::vector<std::byte> random_bytes(int64_t count) {
  std::mt19937 random(3);
  std::vector<std::byte> bytes(static_cast<size_t>(count));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

ReadBytes reader_of(const std::vector<std::byte>& bytes) {
  return [&bytes](uint64_t offset, std::span<std::byte> to) {
    ASSERT_LE(offset + to.size(), bytes.size());
    std::memcpy(to.data(), bytes.data() + offset, to.size());
  };
}

// A block's bytes put together from its two planes.
std::vector<std::byte> joined_block(const kernels::WeightView& view, int64_t block) {
  const kernels::BlockCut cut = *kernels::find_block_cut(view.dtype);
  const std::byte* body = view.data + block * cut.body_bytes();
  const std::byte* head = view.heads + block * cut.head_bytes;
  std::vector<std::byte> out(body, body + cut.head_offset);
  out.insert(out.end(), head, head + cut.head_bytes);
  out.insert(out.end(), body + cut.head_offset, body + cut.body_bytes());
  return out;
}

TEST(DeviceWeights, BlocksComeThroughEveryPieceAndExpert) {
  const device::Queue queue(Backend::kReference);
  ThreadPool pool(2);
  DeviceWeights weights(queue, pool);
  // 40 MB of Q6_K, whose head is at the end: more than one staging piece.
  const int64_t num_experts = 3, rows = 256, cols = 256 * 248;
  const kernels::WeightView all{.dtype = DType::kQ6_K, .rows = num_experts * rows, .cols = cols};
  const std::vector<std::byte> bytes = random_bytes(all.rows * all.row_stride());
  ASSERT_GT(bytes.size(), 32u << 20);
  const kernels::WeightView placed = weights.place(all, reader_of(bytes));
  weights.finish();
  EXPECT_EQ(placed.layout, kernels::WeightLayout::kSplit);
  const int64_t block_bytes = dtype_traits(all.dtype).block_bytes;
  const int64_t blocks = rows * cols / 256;
  for (int64_t expert = 0; expert < num_experts; ++expert) {
    const kernels::WeightView view = rows_of(placed, expert, rows);
    for (int64_t block = 0; block < blocks; block += 97) {
      const std::byte* want = bytes.data() + (expert * blocks + block) * block_bytes;
      ASSERT_EQ(
          std::memcmp(joined_block(view, block).data(), want, static_cast<size_t>(block_bytes)), 0)
          << "expert " << expert << " block " << block;
    }
  }
}

TEST(DeviceWeights, FloatsComeAsTheyAre) {
  const device::Queue queue(Backend::kReference);
  ThreadPool pool(2);
  DeviceWeights weights(queue, pool);
  const kernels::WeightView matrix{.dtype = DType::kF32, .rows = 3, .cols = 5};
  const std::vector<std::byte> bytes = random_bytes(matrix.rows * matrix.row_stride());
  const kernels::WeightView placed = weights.place(matrix, reader_of(bytes));
  EXPECT_EQ(std::memcmp(placed.data, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(rows_of(placed, 2, 1).data, placed.data + 2 * matrix.row_stride());
  const std::vector<float> norm = {1, 2, 3};
  EXPECT_EQ(std::memcmp(weights.place(norm), norm.data(), 3 * sizeof(float)), 0);
}

TEST(DeviceWeights, TypesWithoutACutStayAsTheyAre) {
  const device::Queue queue(Backend::kReference);
  ThreadPool pool(2);
  DeviceWeights weights(queue, pool);
  const kernels::WeightView matrix{.dtype = DType::kQ2_K, .rows = 6, .cols = 256};
  const std::vector<std::byte> bytes = random_bytes(matrix.rows * matrix.row_stride());
  const kernels::WeightView placed = weights.place(matrix, reader_of(bytes));
  EXPECT_EQ(placed.layout, kernels::WeightLayout::kGguf);
  EXPECT_EQ(std::memcmp(placed.data, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(rows_of(placed, 1, 2).data, placed.data + 2 * matrix.row_stride());
}

TEST(DeviceWeights, WhatAReaderThrowsComesThrough) {
  const device::Queue queue(Backend::kReference);
  ThreadPool pool(2);
  DeviceWeights weights(queue, pool);
  const kernels::WeightView matrix{.dtype = DType::kQ8_0, .rows = 64, .cols = 1 << 18};
  EXPECT_THROW(weights.place(matrix,
                             [](uint64_t offset, std::span<std::byte>) {
                               if (offset > 0) throw ModelFileError("error[GGUF-69]: too short");
                             }),
               ModelFileError);
}

TEST(DeviceWeights, RandomWeightsOfTypesWithoutACutAreRefusedByName) {
  const device::Queue queue(Backend::kReference);
  ThreadPool pool(2);
  DeviceWeights weights(queue, pool);
  try {
    weights.place_random({.dtype = DType::kQ2_K, .rows = 1, .cols = 256}, 1, "blk.0.attn_k.weight");
    FAIL() << "no refusal";
  } catch (const Error& error) {
    const std::string words = error.what();
    EXPECT_NE(words.find("blk.0.attn_k.weight"), std::string::npos) << words;
    EXPECT_NE(words.find("q2_K"), std::string::npos) << words;
  }
}

}  // namespace
}  // namespace shoal::engine
