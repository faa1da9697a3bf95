#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>

#include "kernels/cuda/fill_random.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 65536;

// SplitMix64's finisher (Steele, Lea, Flood, OOPSLA 2014).
__device__ uint64_t hash(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

__device__ int64_t first_place() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}
__device__ int64_t places_a_turn() { return static_cast<int64_t>(gridDim.x) * kThreads; }

__global__ void fill_bytes_kernel(uint64_t* words, int64_t num_words, uint64_t seed) {
  for (int64_t i = first_place(); i < num_words; i += places_a_turn()) words[i] = hash(seed + i);
}

__global__ void fill_floats_kernel(
    void* values, int64_t count, float scale, bool brain, uint64_t seed) {
  for (int64_t i = first_place(); i < count; i += places_a_turn()) {
    const float value =
        scale * (static_cast<float>(hash(seed + i) >> 40) * 0x1p-23f - 1.0f);  // [-scale, scale)
    if (brain)
      static_cast<uint16_t*>(values)[i] = static_cast<uint16_t>(__float_as_uint(value) >> 16);
    else
      static_cast<float*>(values)[i] = value;
  }
}

// What a head holds at its beginning: an f16 (two for a type with minimums) or an exponent.
struct HeadFill {
  int bytes;         // of a head
  int halves;        // f16 scales at its beginning; 0: one exponent byte
  uint32_t half[2];  // the scale of the codes, of the minimums
  uint8_t exponent;
};

__global__ void fill_heads_kernel(uint8_t* heads,
                                  int64_t count,
                                  const __grid_constant__ HeadFill fill,
                                  uint64_t seed) {
  for (int64_t i = first_place(); i < count; i += places_a_turn()) {
    uint8_t* head = heads + i * fill.bytes;
    for (int b = 0; b < fill.bytes; ++b)
      head[b] = static_cast<uint8_t>(hash(seed + i) >> 8 * (b % 8));
    if (fill.halves == 0) head[0] = fill.exponent;
    for (int h = 0; h < fill.halves; ++h) {
      head[2 * h] = static_cast<uint8_t>(fill.half[h]);
      head[2 * h + 1] = static_cast<uint8_t>(fill.half[h] >> 8);
    }
  }
}

device::Launch launch_of(int64_t places, Stream stream) {
  const int64_t blocks = std::min((places + kThreads - 1) / kThreads, kMaxBlocks);
  return device::Launch(
      {.grid = dim3(static_cast<unsigned>(blocks)), .block = dim3(kThreads), .stream = stream});
}

// The type's largest code times its largest inner scale, about: what d is divided by so that
// weights come out near `size`.
float largest_code(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return 128;
    case DType::kQ4_K:
      return 63 * 15;
    case DType::kQ5_K:
      return 63 * 31;
    case DType::kQ6_K:
      return 128 * 32;
    case DType::kIQ3_XXS:
      return 16 * 62 / 2;
    default:
      return 32 * 127;  // IQ4_XS
  }
}

// Of the types with minimums: the scale of the minimums is that of the codes times this, so that
// weights have no mean. With one, the rows of a step would grow alike and choose the same experts.
float mean_code(DType dtype) { return dtype == DType::kQ4_K ? 7.5f : 15.5f; }

// Small scales are subnormal as f16.
uint32_t half_bits_of(float value) { return __half_as_ushort(__float2half_rn(value)); }

}  // namespace

void fill_random(const WeightView& weight, uint64_t seed, Stream stream) {
  auto* const data = const_cast<std::byte*>(weight.data);
  const float size = 1.7f / std::sqrt(static_cast<float>(weight.cols));
  if (!is_quantized(weight.dtype)) {
    const int64_t count = weight.rows * weight.cols;
    launch_of(count, stream)(fill_floats_kernel,
                             static_cast<void*>(data),
                             count,
                             size,
                             weight.dtype == DType::kBF16,
                             seed);
    return;
  }
  check_weight(weight);
  const BlockCut cut = *find_block_cut(weight.dtype);
  const int64_t blocks = weight.rows * weight.cols / dtype_traits(weight.dtype).block_elements;
  const int64_t words = blocks * cut.body_bytes() / 8;
  launch_of(words, stream)(fill_bytes_kernel, reinterpret_cast<uint64_t*>(data), words, seed);
  const bool minimums = weight.dtype == DType::kQ4_K || weight.dtype == DType::kQ5_K;
  // MXFP4: levels up to 6 times 2^(e - 127).
  const auto exponent = static_cast<uint8_t>(127 + std::ilogb(size / 6));
  const float d = size / largest_code(weight.dtype);
  const HeadFill fill = {.bytes = static_cast<int>(cut.head_bytes),
                         .halves = weight.dtype == DType::kMXFP4 ? 0
                                   : minimums                    ? 2
                                                                 : 1,
                         .half = {half_bits_of(d), half_bits_of(d * mean_code(weight.dtype))},
                         .exponent = exponent};
  launch_of(blocks, stream)(fill_heads_kernel,
                            reinterpret_cast<uint8_t*>(const_cast<std::byte*>(weight.heads)),
                            blocks,
                            fill,
                            seed + 1);
}

}  // namespace shoal::kernels::cuda
