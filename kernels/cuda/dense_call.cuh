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

  __device__ const Matrix& of_block() const { return of_block(static_cast<int>(blockIdx.x)); }
  __device__ const Matrix& of_block(int block) const {
    int m = 0;
    while (m + 1 < count && block >= matrix[m + 1].first_block) ++m;
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

  void add(const WeightView& weight, float* output) {
    call.matrices.matrix[call.matrices.count++] = {.weight = weight_planes(weight),
                                                   .output = output,
                                                   .num_outputs = static_cast<int>(weight.rows),
                                                   .dtype = weight.dtype};
  }

  void cut_into_groups(int outputs_a_group) {
    num_blocks = 0;
    for (int m = 0; m < call.matrices.count; ++m) {
      call.matrices.matrix[m].first_block = num_blocks;
      num_blocks += (call.matrices.matrix[m].num_outputs + outputs_a_group - 1) / outputs_a_group;
    }
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

// One or two tokens, all matrices of one block type. By slabs: false, and nothing launched, where
// the device or the shapes do not allow it.
bool launch_dense_slabs(Launcher& launcher, DType dtype);
void launch_dense_rows(Launcher& launcher, DType dtype);
// Three tokens or more, all matrices quantised.
void launch_dense_tiles(Launcher& launcher);
// Float matrices, any number of tokens.
void launch_dense_floats(Launcher& launcher);

}  // namespace shoal::kernels::cuda
