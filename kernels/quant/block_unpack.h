// One function a block type, gathered into unpack_row(). Each walks `cols` columns of whole blocks.
#pragma once
#include "kernels/quant/integer_row.h"

namespace shoal::kernels {

using UnpackRow = void (*)(const std::byte* row, int64_t cols, const IntegerRow& out);

// simple_blocks.cpp: blocks of 32 with one scale
void unpack_q8_0(const std::byte* row, int64_t cols, const IntegerRow& out);
// k_blocks.cpp: blocks of 256 with a second level of scales
void unpack_q4_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q5_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q6_k(const std::byte* row, int64_t cols, const IntegerRow& out);
// codebook_blocks.cpp: quants are entries of a table
void unpack_iq3_xxs(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq4_xs(const std::byte* row, int64_t cols, const IntegerRow& out);
// fp4_blocks.cpp: 4-bit floats
void unpack_mxfp4(const std::byte* row, int64_t cols, const IntegerRow& out);

}  // namespace shoal::kernels
