// Whether weights can be numbers at all: a block whose scale is NaN or infinite, or a float that
// is, makes every token it meets NaN. Streaming: a tensor's bytes come in pieces, cut anywhere.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/base/dtype.h"

namespace shoal::loader {

struct BadBlock {
  int64_t index = 0;    // of the block, or of the value where the type has no blocks
  bool is_nan = false;  // else infinite
};

// The first bad block of whole blocks. Integer types and NVFP4, whose scales have no such values,
// are always good.
std::optional<BadBlock> find_bad_block(DType dtype, std::span<const std::byte> blocks);

class TensorCheck {
 public:
  explicit TensorCheck(DType dtype) : dtype_(dtype) {}
  void feed(std::span<const std::byte> piece);

  const std::optional<BadBlock>& bad_block() const { return bad_; }
  // Not one byte other than zero came: what an unfinished download leaves behind.
  bool all_zero() const { return all_zero_; }

 private:
  void check(std::span<const std::byte> blocks);

  DType dtype_;
  std::optional<BadBlock> bad_;
  bool all_zero_ = true;
  int64_t blocks_done_ = 0;
  std::array<std::byte, 512> rest_{};  // of a block whose end has not come
  size_t rest_bytes_ = 0;
};

}  // namespace shoal::loader
