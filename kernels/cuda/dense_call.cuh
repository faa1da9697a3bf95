// A dense product's call: one matrix or several on the same rows in one launch, thread blocks
// handed out to matrices one after another. By rows and for floats: matmul.cu; on the tensor cores:
// dense_tiles.cu.
#pragma once
#include <algorithm>

#include "kernels/cuda/row_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {

inline constexpr int kMaxMatrices = 8;
inline constexpr int64_t kMaxTokenPieces = 1024;  // grid.y has 65,535 places

struct Matrix {
  WeightPlanes weight;
  float* output;  // [tokens, num_outputs]
  int num_outputs;
  int first_block;  // the first thread block that is this matrix's
  DType dtype;
};

struct Matrices {
  Matrix matrix[kMaxMatrices];
  int count;

  __device__ const Matrix& of_block() const {
    int m = 0;
    while (m + 1 < count && static_cast<int>(blockIdx.x) >= matrix[m + 1].first_block) ++m;
    return matrix[m];
  }
};

struct Call {
  Matrices matrices;
  RowInput input;    // int16
  const float* f32;  // the same rows, for float weights
  int cols;
  int num_tokens;
};

// A call under construction: thread blocks are handed out to matrices one after another.
struct Launcher {
  Call call = {};
  int num_blocks = 0;
  Stream stream;

  void add(const WeightView& weight, float* output, int outputs_a_block) {
    call.matrices.matrix[call.matrices.count++] = {.weight = weight_planes(weight),
                                                   .output = output,
                                                   .num_outputs = static_cast<int>(weight.rows),
                                                   .first_block = num_blocks,
                                                   .dtype = weight.dtype};
    num_blocks += static_cast<int>((weight.rows + outputs_a_block - 1) / outputs_a_block);
  }

  void launch(void (*kernel)(Call), int threads, int64_t token_pieces, size_t shared) const {
    device::Launch({.grid = dim3(static_cast<unsigned>(num_blocks),
                                 static_cast<unsigned>(std::min(token_pieces, kMaxTokenPieces))),
                    .block = dim3(static_cast<unsigned>(threads)),
                    .stream = stream,
                    .shared_bytes = shared,
                    .overlaps_previous = true})(kernel, call);
  }
};

inline int64_t pieces(int64_t count, int64_t of) { return (count + of - 1) / of; }

// Weight rows of a thread block's tile, for a call of this many tokens.
int dense_tile_rows(int64_t num_tokens);
// All matrices quantised; added with that many outputs a thread block.
void launch_dense_tiles(const Launcher& launcher);

}  // namespace shoal::kernels::cuda
