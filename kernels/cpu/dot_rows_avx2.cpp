#include "kernels/cpu/row_dots.h"

namespace shoal::kernels::cpu {

void dot_rows_avx2(const RowProduct& product) { dot_rows_with<Avx2>(product); }

}  // namespace shoal::kernels::cpu
