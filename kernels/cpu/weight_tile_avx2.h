// Sixteen weight rows unpacked side by side, so that the lanes of a vector are outputs and no
// sum crosses lanes. Columns stand in pairs, as a 16-bit multiply-add takes them:
//   q[block][pair p of 16][row of 16][2]  int16: columns 32 block + 2 p and the next
//   scale[block][group][row of 16]        f32
//   min[block][row of 16]                 f32
#pragma once
#include <cstdint>

#include "kernels/cpu/row_product.h"

namespace shoal::kernels::cpu {

struct WeightTile {
  int16_t* q;
  float* scale;
  float* min;
  int num_groups;  // 1 or 2 a block
  int num_rows;    // at most kRowTile; the rows past it repeat the last one
  int64_t num_blocks;
};

// Memory is the calling thread's scratch: valid until its next tile.
WeightTile unpack_tile(const WeightView& weight, int64_t first_row, int num_rows);

}  // namespace shoal::kernels::cpu
