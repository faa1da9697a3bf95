#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/split_blocks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 256;

struct Cut {
  uint32_t block_bytes, head_offset, head_bytes, body_words;
};

// A thread a word of a body; those of a body's first words write the head as well. No word of a
// body has the head in its middle: heads are at the start or after a multiple of 4.
__global__ void split_kernel(
    const uint8_t* from, Cut cut, uint32_t num_words, uint32_t* bodies, uint8_t* heads) {
  wait_for_inputs();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= num_words) return;
  const uint32_t block = i / cut.body_words;
  const uint32_t word = i % cut.body_words;
  const uint8_t* source = from + block * cut.block_bytes;
  const uint8_t* body = source + 4 * word + (4 * word < cut.head_offset ? 0 : cut.head_bytes);
  bodies[i] = body[0] | body[1] << 8 | body[2] << 16 | static_cast<uint32_t>(body[3]) << 24;
  for (uint32_t k = word; k < cut.head_bytes; k += cut.body_words)
    heads[block * cut.head_bytes + k] = source[cut.head_offset + k];
}

}  // namespace

void split_blocks(
    const BlockCut& cut, const std::byte* from, int64_t num_blocks, SplitPlanes to, Stream stream) {
  const Cut on_device = {.block_bytes = static_cast<uint32_t>(cut.block_bytes),
                         .head_offset = static_cast<uint32_t>(cut.head_offset),
                         .head_bytes = static_cast<uint32_t>(cut.head_bytes),
                         .body_words = static_cast<uint32_t>(cut.body_bytes() / 4)};
  const auto num_words = static_cast<uint32_t>(num_blocks) * on_device.body_words;
  device::Launch({.grid = dim3((num_words + kThreads - 1) / kThreads),
                  .block = dim3(kThreads),
                  .stream = stream,
                  .overlaps_previous = true})(split_kernel,
                                              reinterpret_cast<const uint8_t*>(from),
                                              on_device,
                                              num_words,
                                              reinterpret_cast<uint32_t*>(to.bodies),
                                              reinterpret_cast<uint8_t*>(to.heads));
}

}  // namespace shoal::kernels::cuda
