#include "loader/io/weight_reader.h"

#include <new>

#include "runtime/base/check.h"

namespace shoal::loader {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void WeightReader::FreeAligned::operator()(std::byte* memory) const {
  ::operator delete[](memory, kAlignment);
}

std::span<const std::byte> WeightReader::read(const TensorInfo& tensor,
                                              int64_t begin,
                                              int64_t end) {
  const ByteRange range = outer_range(tensor, begin, end);
  const MappedFile& file = files_.files.at(static_cast<size_t>(range.shard));
  const bool is_first = ledger_.record(range, tensor_class(tensor));
  if (mode_ == ReadMode::kCopied) return copy(range);
  if (is_first) file.will_need(range.offset, range.bytes);
  return file.bytes().subspan(range.offset, range.bytes);
}

ByteSource WeightReader::source(const TensorInfo& tensor, int64_t begin, int64_t end) {
  const ByteRange range = outer_range(tensor, begin, end);
  ledger_.record(range, tensor_class(tensor));
  return {.file = &files_.files.at(static_cast<size_t>(range.shard)), .range = range};
}

std::span<const std::byte> WeightReader::copy(const ByteRange& range) {
  if (range.bytes == 0) return {};
  Memory& memory = copies_[{range.shard, range.offset}];
  if (memory == nullptr) {
    memory.reset(static_cast<std::byte*>(::operator new[](range.bytes, kAlignment)));
    files_.files.at(static_cast<size_t>(range.shard))
        .read_into(range.offset, {memory.get(), range.bytes});
  }
  return {memory.get(), range.bytes};
}

}  // namespace shoal::loader
