// What this machine runs. Compiled code of a set must not be entered without asking here.
#pragma once

namespace shoal::kernels::cpu {

// AVX2 with FMA and F16C.
bool has_avx2();
// AVX-512 F, BW, VL, VBMI and VNNI, besides has_avx2().
bool has_avx512();

}  // namespace shoal::kernels::cpu
