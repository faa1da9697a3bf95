#include <type_traits>

#include "kernels/cpu/row_dots.h"

namespace shoal::kernels::cpu {

void dot_rows_avx2(const RowProduct& product) { dot_rows_with<Avx2>(product); }

bool unpacks_with_vectors(DType dtype) {
  bool vectors = true;
  if (has_integer_form(dtype))
    with_codec<Avx2>(dtype, [&](const auto& codec) {
      vectors = !std::is_same_v<std::decay_t<decltype(codec)>, ScalarCodec>;
    });
  return vectors;
}

}  // namespace shoal::kernels::cpu
