#include "kernels/cpu/block_dot_avx512.h"
#include "kernels/cpu/row_dots.h"

namespace shoal::kernels::cpu {

void dot_rows_avx512(const RowProduct& product) { dot_rows_with<Avx512>(product); }

}  // namespace shoal::kernels::cpu
