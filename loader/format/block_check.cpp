#include "loader/format/block_check.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/check.h"

namespace shoal::loader {
namespace {

enum class Kind : uint8_t { kNone, kHalf, kBrain, kSingle, kDouble, kExponent, kSpreadHalf };

// Where a block keeps its scales: one or two values of a kind.
struct Scales {
  Kind kind = Kind::kNone;
  int first = 0;
  int second = -1;
};

Scales scales_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {Kind::kSingle};
    case DType::kF64:
      return {Kind::kDouble};
    case DType::kF16:
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kIQ2_XXS:
    case DType::kIQ2_XS:
    case DType::kIQ2_S:
    case DType::kIQ3_XXS:
    case DType::kIQ3_S:
    case DType::kIQ1_S:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return {Kind::kHalf};
    case DType::kBF16:
      return {Kind::kBrain};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {Kind::kHalf, 0, 2};
    case DType::kQ2_K:
      return {Kind::kHalf, 80, 82};
    case DType::kQ3_K:
      return {Kind::kHalf, 108};
    case DType::kQ6_K:
      return {Kind::kHalf, 208};
    case DType::kTQ1_0:
      return {Kind::kHalf, 52};
    case DType::kTQ2_0:
      return {Kind::kHalf, 64};
    case DType::kIQ1_M:
      return {Kind::kSpreadHalf, 48};
    case DType::kMXFP4:
      return {Kind::kExponent};
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kNVFP4:
      return {};
  }
  return {};
}

template <class T>
T load(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

// Exponent all ones: infinite with an empty fraction, else NaN.
enum class Verdict : uint8_t { kNumber, kNan, kInfinite };
template <class T>
Verdict judge(T bits, T exponent, T fraction) {
  if ((bits & exponent) != exponent) return Verdict::kNumber;
  return (bits & fraction) == 0 ? Verdict::kInfinite : Verdict::kNan;
}

Verdict judge_half(uint16_t bits) { return judge<uint16_t>(bits, 0x7c00, 0x03ff); }

Verdict judge_at(Kind kind, const std::byte* place) {
  switch (kind) {
    case Kind::kNone:
      return Verdict::kNumber;
    case Kind::kHalf:
      return judge_half(load<uint16_t>(place));
    case Kind::kBrain:
      return judge<uint16_t>(load<uint16_t>(place), 0x7f80, 0x007f);
    case Kind::kSingle:
      return judge<uint32_t>(load<uint32_t>(place), 0x7f800000, 0x007fffff);
    case Kind::kDouble:
      return judge<uint64_t>(load<uint64_t>(place), 0x7ff0000000000000, 0x000fffffffffffff);
    case Kind::kExponent:  // E8M0
      return load<uint8_t>(place) == 0xff ? Verdict::kNan : Verdict::kNumber;
    case Kind::kSpreadHalf: {  // the top four bits of four words, the lowest first
      uint16_t bits = 0;
      for (int i = 0; i < 4; ++i)
        bits = static_cast<uint16_t>(bits | (load<uint16_t>(place + 2 * i) >> 12) << (4 * i));
      return judge_half(bits);
    }
  }
  return Verdict::kNumber;
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

std::optional<BadBlock> find_bad_block(DType dtype, std::span<const std::byte> blocks) {
  const Scales scales = scales_of(dtype);
  if (scales.kind == Kind::kNone) return std::nullopt;
  const auto block_bytes = static_cast<size_t>(dtype_traits(dtype).block_bytes);
  SHOAL_ASSERT(blocks.size() % block_bytes == 0, "{} bytes of {}", blocks.size(), block_bytes);
  for (size_t at = 0; at < blocks.size(); at += block_bytes)
    for (const int offset : {scales.first, scales.second}) {
      if (offset < 0) continue;
      const Verdict verdict = judge_at(scales.kind, blocks.data() + at + offset);
      if (verdict != Verdict::kNumber)
        return BadBlock{static_cast<int64_t>(at / block_bytes), verdict == Verdict::kNan};
    }
  return std::nullopt;
}

void TensorCheck::check(std::span<const std::byte> blocks) {
  const auto block_bytes = static_cast<size_t>(dtype_traits(dtype_).block_bytes);
  if (!bad_) {
    bad_ = find_bad_block(dtype_, blocks);
    if (bad_) bad_->index += blocks_done_;
  }
  blocks_done_ += static_cast<int64_t>(blocks.size() / block_bytes);
}

void TensorCheck::feed(std::span<const std::byte> piece) {
  all_zero_ = all_zero_ && is_zero(piece);
  const auto block_bytes = static_cast<size_t>(dtype_traits(dtype_).block_bytes);
  SHOAL_ASSERT(block_bytes <= rest_.size(), "blocks of {}", block_bytes);
  if (rest_bytes_ > 0) {
    const size_t taken = std::min(block_bytes - rest_bytes_, piece.size());
    std::copy_n(piece.begin(), taken, rest_.begin() + static_cast<std::ptrdiff_t>(rest_bytes_));
    rest_bytes_ += taken;
    piece = piece.subspan(taken);
    if (rest_bytes_ < block_bytes) return;
    check(std::span(rest_).first(block_bytes));
    rest_bytes_ = 0;
  }
  const size_t whole = piece.size() / block_bytes * block_bytes;
  check(piece.first(whole));
  std::copy(piece.begin() + static_cast<std::ptrdiff_t>(whole), piece.end(), rest_.begin());
  rest_bytes_ = piece.size() - whole;
}

}  // namespace shoal::loader
