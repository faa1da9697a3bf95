// What one rank took of a model's files: every byte range handed out, once, with the class of its
// tensor. The proof that a rank holds only what it owns: nothing reaches a rank's kernels but
// through WeightReader, and WeightReader writes everything down here.
//
// Provable from it: kCopied memory is exactly total_bytes(); with kMapped, touched pages lie within
// these ranges widened by the fault window (MappedFile::resident_bytes() measures that). Not
// provable, and not claimed: what the page cache of the machine holds.
#pragma once
#include <array>
#include <cstdint>
#include <map>

#include "loader/format/model_config.h"
#include "loader/format/tensor_directory.h"

namespace shoal::loader {

class ReadLedger {
 public:
  // False for a range that is in the ledger already; it is not counted twice. Ranges of one tensor
  // are either equal or disjoint: a rank asks for its whole share at once.
  bool record(const ByteRange& range, TensorClass tensor_class);

  uint64_t bytes(TensorClass tensor_class) const;
  uint64_t total_bytes() const;
  // In file order.
  const std::map<std::pair<int, uint64_t>, uint64_t>& ranges() const { return ranges_; }

 private:
  static constexpr size_t kNumClasses = static_cast<size_t>(TensorClass::kOther) + 1;
  std::map<std::pair<int, uint64_t>, uint64_t> ranges_;  // (shard, offset) -> bytes
  std::array<uint64_t, kNumClasses> bytes_ = {};
};

}  // namespace shoal::loader
