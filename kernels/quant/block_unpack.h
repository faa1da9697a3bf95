// One function a block type, gathered into unpack_row(). Each walks `cols` columns of whole blocks.
#pragma once
#include "kernels/quant/integer_row.h"

namespace shoal::kernels {

using UnpackRow = void (*)(const std::byte* row, int64_t cols, const IntegerRow& out);

// The one of a type; asserts has_integer_form().
UnpackRow unpack_function(DType dtype);

// simple_blocks.cpp: blocks of 32 with one scale
void unpack_q4_0(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q4_1(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q5_0(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q5_1(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q8_0(const std::byte* row, int64_t cols, const IntegerRow& out);
// k_blocks.cpp: blocks of 256 with a second level of scales
void unpack_q2_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q3_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q4_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q5_k(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_q6_k(const std::byte* row, int64_t cols, const IntegerRow& out);
// iq1_blocks.cpp: entries of the table of -1, 0, 1, shifted by an eighth
void unpack_iq1_s(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq1_m(const std::byte* row, int64_t cols, const IntegerRow& out);
// codebook_blocks.cpp: entries of tables of magnitudes, with signs
void unpack_iq2_xxs(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq2_xs(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq2_s(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq3_xxs(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq3_s(const std::byte* row, int64_t cols, const IntegerRow& out);
// iq4_blocks.cpp: 16 uneven levels
void unpack_iq4_nl(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_iq4_xs(const std::byte* row, int64_t cols, const IntegerRow& out);
// fp4_blocks.cpp: 4-bit floats
void unpack_mxfp4(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_nvfp4(const std::byte* row, int64_t cols, const IntegerRow& out);
// ternary_blocks.cpp: -1, 0, 1 (and 2 in one of them)
void unpack_tq1_0(const std::byte* row, int64_t cols, const IntegerRow& out);
void unpack_tq2_0(const std::byte* row, int64_t cols, const IntegerRow& out);

}  // namespace shoal::kernels
