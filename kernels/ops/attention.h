// Causal attention over a paged KV cache. Token t of a sequence sees positions 0..t.
// Keys are split at fixed positions (0, 256, 512, ...): each split is reduced by itself and the
// splits are merged in order, so the bits depend only on the position, never on the chunk or batch.
//
// The arithmetic of one (token at position P, query head), split by split in rising order. A split
// holds positions b, b + 1, ... up to b + 255 or P; i counts from its beginning:
//   s_i = (q . k_i) * scale     dot: lanes and tree of kernels/lanes.h over head_dim;
//                               scale = 1 / sqrt(float(head_dim)), rounded to f32 at each operation
//   m = max s_i;  w_i = exp_f32(s_i - m)
//   l = sum of w_i              lanes (i mod 8) and tree, plain additions
//   a[d] = fma(w_i, v_i[d], a[d])          from 0, i rising
// The first split gives M = m, L = l, A = a. Every later one is merged by
//   N = max(M, m);  c = exp_f32(M - N);  f = exp_f32(m - N);  M = N
//   L = fma(L, c, l * f);  A[d] = fma(A[d], c, a[d] * f)
// and output[d] = A[d] * (1 / L).
//
// Query head h reads KV head h / (num_heads / num_kv_heads).
//
// Cache layout of one layer: block b holds block_size positions;
//   k[((b * num_kv_heads + h) * block_size + i) * head_dim + d], v alike.
// Block tables: sequence s keeps position p in block block_table[s][p / block_size], slot
// p % block_size. Example with block_size 4 and table {7, 2}: position 5 is block 2, slot 1.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

inline constexpr int kAttentionSplit = 256;

struct KvCache {
  float* k = nullptr;  // [num_blocks, num_kv_heads, block_size, head_dim]
  float* v = nullptr;
  int block_size = 0;  // divides kAttentionSplit
};

struct AttentionParams {
  TensorView query;       // [n, num_heads * query_stride] f32, normed and rotated
  TensorView key, value;  // [n, num_kv_heads * head_dim] f32: written to the cache first
  int num_heads, num_kv_heads, head_dim, query_stride;  // head_dim a multiple of 8
  KvCache cache;
  int num_sequences;
  TensorView sequence_starts;   // [num_sequences + 1] i32: rows of sequence s
  TensorView positions;         // [n] i32, rising by one inside a sequence; earlier positions are
                                // in the cache already
  const int32_t* block_tables;  // [num_sequences, block_table_stride]
  int block_table_stride;
  TensorView output;  // [n, num_heads * head_dim] f32
};

}  // namespace shoal::kernels
