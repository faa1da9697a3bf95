#include "loader/format/tensor_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "loader/format/bad_file.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 62;
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 62;

struct NamedId {
  uint32_t id;
  std::string_view name;
};
// Ids that once were types and may not be used again.
constexpr std::array<uint32_t, 8> kRemovedTypes = {4, 5, 31, 32, 33, 36, 37, 38};
// Types of the format that DType has no name for.
constexpr std::array<NamedId, 4> kTypesWeLack = {
    NamedId{9, "q8_1"}, NamedId{15, "q8_K"}, NamedId{41, "q1_0"}, NamedId{42, "q2_0"}};

class Reader {
 public:
  Reader(ByteCursor& cursor, uint64_t count, const std::string& file)
      : cursor_(cursor), count_(count), file_(file) {}

  std::vector<TensorInfo> read() {
    check_tensor_count(count_, cursor_, file_);
    std::vector<TensorInfo> tensors;
    tensors.reserve(count_);
    uint64_t total = 0;
    for (uint64_t i = 0; i < count_; ++i) {
      tensors.push_back(read_info(i));
      const TensorInfo& tensor = tensors.back();
      if (__builtin_add_overflow(total, tensor.bytes, &total))
        refuse(71,
               {file_, tensor.header_byte},
               fmt::format("total tensor size overflows at tensor {}", quoted(tensor.name)));
    }
    return tensors;
  }

 private:
  FilePlace here() const { return {file_, cursor_.position()}; }

  TensorInfo read_info(uint64_t index) {
    TensorInfo tensor;
    tensor.header_byte = cursor_.position();
    tensor.name = read_name(index);
    read_shape(tensor, index);
    require_bytes(sizeof(uint32_t) + sizeof(uint64_t), index);
    read_type(tensor);
    tensor.offset = cursor_.take<uint64_t>();
    return tensor;
  }

  void require_bytes(uint64_t bytes, uint64_t index) const {
    if (!cursor_.has(bytes))
      refuse(72, here(), fmt::format("file ends inside tensor entry {} of {}", index, count_));
  }

  std::string read_name(uint64_t index) {
    require_bytes(sizeof(uint64_t), index);
    const FilePlace start = here();
    const auto length = cursor_.take<uint64_t>();
    if (length > kMaxTensorNameBytes)
      refuse(
          53,
          start,
          fmt::format("tensor {}: name length {}; at most {}", index, length, kMaxTensorNameBytes));
    if (length == 0) refuse(54, start, fmt::format("tensor {} has an empty name", index));
    require_bytes(length, index);
    const std::string_view name = cursor_.take_text(length);
    const auto [earlier, is_first] = seen_.emplace(name, index);
    if (!is_first)
      refuse(
          55,
          start,
          fmt::format("tensor {} appears twice ({} and {})", quoted(name), earlier->second, index));
    return std::string(name);
  }

  void read_shape(TensorInfo& tensor, uint64_t index) {
    require_bytes(sizeof(uint32_t), index);
    const FilePlace start = here();
    const auto dims = cursor_.take<uint32_t>();
    if (dims < 1 || dims > tensor.ne.size())
      refuse(57,
             start,
             fmt::format("tensor {} has {} dimensions; 1 to 4 allowed", quoted(tensor.name), dims));
    require_bytes(dims * sizeof(uint64_t), index);
    for (uint32_t i = 0; i < dims; ++i) {
      tensor.ne[i] = cursor_.take<int64_t>();
      if (tensor.ne[i] < 0)
        refuse(58,
               start,
               fmt::format("tensor {} dimension {} is {}", quoted(tensor.name), i, tensor.ne[i]));
    }
    // Dimensions of zero are counted as one here: a zero must not hide that the others overflow.
    int64_t elements = 1;
    for (const int64_t ne : tensor.ne)
      if (__builtin_mul_overflow(elements, std::max<int64_t>(ne, 1), &elements) ||
          elements > kMaxElements)
        refuse(
            60, start, fmt::format("tensor {} has more than 2^62 elements", quoted(tensor.name)));
  }

  void read_type(TensorInfo& tensor) {
    const FilePlace start = here();
    const auto id = cursor_.take<uint32_t>();
    const std::optional<DTypeTraits> traits = find_dtype_traits(id);
    if (!traits) refuse_type(tensor, id, start);
    tensor.dtype = static_cast<DType>(id);
    if (tensor.ne[0] % traits->block_elements != 0)
      refuse(63,
             start,
             fmt::format("tensor {} ({}) has rows of {}; a multiple of {} is required",
                         quoted(tensor.name),
                         traits->name,
                         tensor.ne[0],
                         traits->block_elements));
    const auto blocks = static_cast<uint64_t>(tensor.elements() / traits->block_elements);
    if (__builtin_mul_overflow(blocks, static_cast<uint64_t>(traits->block_bytes), &tensor.bytes) ||
        tensor.bytes > kMaxTensorBytes)
      refuse(61, start, fmt::format("tensor {} needs more bytes than 2^62", quoted(tensor.name)));
  }

  [[noreturn]] void refuse_type(const TensorInfo& tensor, uint32_t id, FilePlace start) const {
    const std::string name = quoted(tensor.name);
    if (std::find(kRemovedTypes.begin(), kRemovedTypes.end(), id) != kRemovedTypes.end())
      refuse(65, start, fmt::format("tensor {} has type {}, removed from GGUF", name, id));
    for (const NamedId& lacking : kTypesWeLack)
      if (lacking.id == id)
        refuse(66,
               start,
               fmt::format("tensor {} is {}, which no backend supports", name, lacking.name));
    refuse(64, start, fmt::format("tensor {} has unknown type {}", name, id));
  }

  ByteCursor& cursor_;
  uint64_t count_;
  const std::string& file_;
  std::unordered_map<std::string_view, uint64_t> seen_;  // views into the file's bytes
};

[[noreturn]] void refuse_offset(const TensorInfo& tensor,
                                const TensorInfo* before,
                                const DataSection& data,
                                const std::string& file) {
  const FilePlace place{file, tensor.header_byte};
  const std::string name = quoted(tensor.name);
  const uint64_t data_bytes = data.file_bytes - data.begin;
  if (tensor.offset > data_bytes)
    refuse(70, place, fmt::format("tensor {} offset {} is beyond the file", name, tensor.offset));
  if (before == nullptr)
    refuse(68,
           place,
           fmt::format("tensor {} offset {} leaves a hole at the start of the data; 0 expected",
                       name,
                       tensor.offset));
  const uint64_t before_begin = before->offset - data.begin;
  const uint64_t before_end = before_begin + before->bytes;
  refuse(68,
         place,
         fmt::format("tensor {} offset {} {} {} ({}..{})",
                     name,
                     tensor.offset,
                     tensor.offset < before_end ? "overlaps" : "leaves a hole after",
                     quoted(before->name),
                     before_begin,
                     before_end));
}

}  // namespace

void check_tensor_count(uint64_t count, const ByteCursor& cursor, const std::string& file) {
  // The smallest entry: name length 8, dimensions 4, type 4, offset 8.
  constexpr uint64_t kMinEntryBytes = 24;
  const FilePlace place{file, cursor.position()};
  if (count > cursor.left() / kMinEntryBytes)
    refuse(8,
           place,
           fmt::format("tensor count {} cannot fit: {} bytes left, at least {} each",
                       count,
                       grouped(cursor.left()),
                       kMinEntryBytes));
  if (count > kMaxTensors)
    refuse(8, place, fmt::format("tensor count {} exceeds the limit {}", count, kMaxTensors));
}

std::vector<TensorInfo> read_tensor_infos(ByteCursor& cursor,
                                          uint64_t count,
                                          const std::string& file) {
  return Reader(cursor, count, file).read();
}

uint64_t place_tensors(std::vector<TensorInfo>& tensors,
                       const DataSection& data,
                       const std::string& file) {
  uint64_t expected = 0;  // of the next tensor, relative to the data section
  uint64_t end = data.begin;
  const TensorInfo* before = nullptr;
  for (TensorInfo& tensor : tensors) {
    const FilePlace place{file, tensor.header_byte};
    if (tensor.offset % data.alignment != 0)
      refuse(67,
             place,
             fmt::format("tensor {} offset {} is not a multiple of {}",
                         quoted(tensor.name),
                         tensor.offset,
                         data.alignment));
    if (tensor.offset != expected) refuse_offset(tensor, before, data, file);
    // No sum here can wrap: `expected` follows ends that were inside the file, at most one padding
    // further, and a tensor has at most 2^62 bytes.
    end = data.begin + tensor.offset + tensor.bytes;
    if (end > data.file_bytes)
      refuse(69,
             place,
             fmt::format("tensor {} ends at {} but the file has {} bytes; the file is cut short",
                         quoted(tensor.name),
                         grouped(end),
                         grouped(data.file_bytes)));
    expected = (end - data.begin + data.alignment - 1) / data.alignment * data.alignment;
    tensor.offset += data.begin;
    before = &tensor;
  }
  return end;
}

}  // namespace shoal::loader
