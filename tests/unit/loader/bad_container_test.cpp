// Every way in which the bytes of one file can be wrong, with the exact refusal.
#include <gtest/gtest.h>

#include "loader/format/gguf.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

constexpr uint64_t kMax = UINT64_MAX;

struct BadFile {
  const char* name;
  std::string bytes;
  std::string refusal;  // after "error[GGUF-", the file's name left out
};

template <class Change>
std::string changed(Change&& change) {
  GgufFile file = tiny_container();
  change(file);
  return file.bytes();
}

// A container whose metadata are `value` under the key "x" alone.
std::string with_value(uint32_t type, const std::string& value) {
  GgufFile file;
  file.put("x", type, value);
  return file.bytes();
}
std::string with_raw_metadata(const std::string& bytes, uint64_t count) {
  GgufFile file;
  file.num_entries = count;
  return file.bytes() + bytes;
}
std::string with_tensor(const TensorSpec& spec) {
  return changed([&](GgufFile& file) { file.tensors[0] = spec; });
}
std::string with_alignment(uint32_t type, const std::string& value) {
  return changed([&](GgufFile& file) { file.put("general.alignment", type, value); });
}

std::vector<BadFile> bad_headers() {
  // The container's first entry ends at byte 67; 29 bytes of key and type come before a value.
  return {
      {"empty", "", "01]: byte 0: file is empty; a GGUF header needs 24 bytes"},
      {"cut", "GGUF", "02]: byte 0: file ends inside the header (4 bytes); needs 24"},
      {"magic",
       changed([](auto& file) { file.magic = "FUGG"; }),
       "03]: byte 0: not a GGUF file: magic is 46 55 47 47, expected 47 47 55 46"},
      {"version 0",
       changed([](auto& file) { file.version = 0; }),
       "04]: byte 4: version 0 is not valid; versions 2 and 3 are supported"},
      {"version 1",
       changed([](auto& file) { file.version = 1; }),
       "05]: byte 4: version 1 is too old; convert it again"},
      {"version 4",
       changed([](auto& file) { file.version = 4; }),
       "06]: byte 4: version 4 is newer than this program (3)"},
      {"big-endian",
       changed([](auto& file) { file.version = 0x03000000; }),
       "07]: byte 4: file is big-endian; only little-endian is supported"},
      {"tensors 2^64-1",
       with_raw_metadata(std::string(1000, '\0'), 0).replace(8, 8, raw(kMax)),
       "08]: byte 24: tensor count 18446744073709551615 cannot fit: 1,000 bytes left, "
       "at least 24 each"},
      {"entries 2^64-1",
       with_raw_metadata("", kMax),
       "10]: byte 24: metadata count 18446744073709551615 cannot fit: 0 bytes left, "
       "at least 13 each"},
      {"one entry too many",
       with_raw_metadata(entry("a-key-of-sixteen", 0, "\1"), 2),
       "11]: byte 53: file ends inside metadata entry 1 of 2"},
      {"a million entries",
       with_raw_metadata(std::string(13'000'000, '\0'), 1'000'000),
       "28]: byte 24: metadata count 1000000 exceeds the limit 65536"},
      {"alignment 0",
       with_alignment(4, raw(uint32_t{0})),
       "32]: byte 96: alignment 0; a power of two from 1 to 1048576 is required"},
      {"alignment 13",
       with_alignment(4, raw(uint32_t{13})),
       "33]: byte 96: alignment 13 is not a power of two"},
      {"alignment i32",
       with_alignment(5, raw(int32_t{32})),
       "34]: byte 96: key 'general.alignment' must be u32, found i32"},
      {"alignment 2^31",
       with_alignment(4, raw(uint32_t{0x80000000})),
       "35]: byte 96: alignment 2147483648 exceeds 1048576"},
      {"joined files",
       tiny_container().bytes() + tiny_container().bytes(),
       "87]: byte 4384: 4.4 kB of data after the last tensor, starting with another GGUF header"},
  };
}

std::vector<BadFile> bad_entries() {
  const std::string fill(100, '\0');
  return {
      {"key 2^64-1",
       with_raw_metadata(raw(kMax) + fill, 1),
       "13]: byte 24: key length 18446744073709551615 exceeds the 65535 allowed"},
      {"key beyond the end",
       with_raw_metadata(raw(uint64_t{900}) + fill, 1),
       "14]: byte 24: key length 900 exceeds the 100 bytes left"},
      {"empty key", with_raw_metadata(fill, 1), "15]: byte 24: entry 0 has an empty key"},
      {"long key",
       with_raw_metadata(entry(std::string(65536, 'k'), 0, "\1"), 1),
       "16]: byte 24: key length 65536 exceeds 65535"},
      {"escape in key",
       with_raw_metadata(entry("abcd\x1b[2J", 0, "\1"), 1),
       "17]: byte 24: key has byte 0x1b at 4; only printable ASCII is allowed"},
      {"non-ASCII key",
       with_raw_metadata(entry("k\xc3\xa9y", 0, "\1"), 1),
       "17]: byte 24: key has byte 0xc3 at 1; only printable ASCII is allowed"},
      {"key twice",
       with_raw_metadata(entry("a", 0, "\1") + entry("b", 0, "\1") + entry("a", 0, "\1"), 3),
       "18]: byte 52: key 'a' appears twice (entries 0 and 2)"},
      {"type 13", with_value(13, fill), "19]: byte 37: key 'x' has unknown type 13"},
      {"type -1",
       with_value(UINT32_MAX, fill),
       "19]: byte 37: key 'x' has unknown type 4294967295"},
      {"nested",
       with_value(9, array_of(9, 1, array_of(0, 1, "\1"))),
       "20]: byte 37: key 'x': nested arrays are not supported"},
      {"element 77",
       with_value(9, array_of(77, 1, "\1")),
       "21]: byte 37: key 'x': array element type 77 is unknown"},
      {"array 2^63",
       with_value(9, array_of(0, uint64_t{1} << 63, "0123456789012345678")),
       "22]: byte 37: key 'x': array of 9223372036854775808 elements cannot fit in 19 bytes"},
      {"array size wraps",
       with_value(9, array_of(10, uint64_t{1} << 61, fill)),
       "22]: byte 37: key 'x': array of 2305843009213693952 elements cannot fit in 100 bytes"},
      {"10^9 empty strings",
       with_value(9, array_of(8, 1'000'000'000, fill)),
       "22]: byte 37: key 'x': array of 1000000000 elements cannot fit in 100 bytes"},
      {"string 2^64-1",
       with_value(8, raw(kMax) + fill),
       "25]: byte 37: string length 18446744073709551615 exceeds the 100 bytes left in the value "
       "of 'x'"},
      {"string in array",
       with_value(9, array_of(8, 2, text("a") + raw(uint64_t{1} << 30))),
       "25]: byte 58: string length 1073741824 exceeds the 0 bytes left in the value of 'x'"},
      {"boolean 2", with_value(7, "\2"), "26]: byte 37: key 'x': boolean is 2; 0 or 1 expected"},
      {"boolean 2 in array",
       with_value(9, array_of(7, 2, "\1\2")),
       "26]: byte 37: key 'x': boolean is 2; 0 or 1 expected"},
      {"cut value", with_value(4, "\1\1"), "27]: byte 37: file ends inside the value of 'x'"},
  };
}

std::vector<BadFile> bad_tensors() {
  // The container's only entry ends at byte 67, where the first tensor's entry starts.
  return {
      {"name of 70",
       with_tensor({std::string(70, 'n'), {8}}),
       "53]: byte 67: tensor 0: name length 70; at most 63"},
      {"empty name", with_tensor({"", {8}}), "54]: byte 67: tensor 0 has an empty name"},
      {"name twice", with_tensor({"y", {8}}), "55]: byte 100: tensor 'y' appears twice (0 and 1)"},
      {"no dimensions",
       with_tensor({"x", {}}),
       "57]: byte 76: tensor 'x' has 0 dimensions; 1 to 4 allowed"},
      {"5 dimensions",
       with_tensor({"x", {1, 1, 1, 1, 1}}),
       "57]: byte 76: tensor 'x' has 5 dimensions; 1 to 4 allowed"},
      {"negative",
       with_tensor({"x", {8, -1}, 0, 32}),
       "58]: byte 76: tensor 'x' dimension 1 is -1"},
      {"product wraps",
       with_tensor({"x", {int64_t{1} << 42, int64_t{1} << 42}, 0, 32}),
       "60]: byte 76: tensor 'x' has more than 2^62 elements"},
      {"wrap hidden by a zero",
       with_tensor({"x", {int64_t{1} << 42, 0, int64_t{1} << 42}, 0, 32}),
       "60]: byte 76: tensor 'x' has more than 2^62 elements"},
      {"padding wraps",
       with_tensor({"x", {INT64_MAX - 2}, 0, 32}),
       "60]: byte 76: tensor 'x' has more than 2^62 elements"},
      {"bytes wrap",
       with_tensor({"x", {int64_t{1} << 61}, 0, 32}),
       "61]: byte 88: tensor 'x' needs more bytes than 2^62"},
      {"rows of 100",
       with_tensor({"x", {100}, 12, 32}),
       "63]: byte 88: tensor 'x' (q4_K) has rows of 100; a multiple of 256 is required"},
      {"type 99", with_tensor({"x", {8}, 99, 32}), "64]: byte 88: tensor 'x' has unknown type 99"},
      {"type -1",
       with_tensor({"x", {8}, UINT32_MAX, 32}),
       "64]: byte 88: tensor 'x' has unknown type 4294967295"},
      {"type 31",
       with_tensor({"x", {8}, 31, 32}),
       "65]: byte 88: tensor 'x' has type 31, removed from GGUF"},
      {"type 41",
       with_tensor({"x", {128}, 41, 32}),
       "66]: byte 88: tensor 'x' is q1_0, which no backend supports"},
      {"offset 33",
       with_tensor({"x", {8}, 0, 32, 33}),
       "67]: byte 67: tensor 'x' offset 33 is not a multiple of 32"},
      {"hole at the start",
       with_tensor({"x", {8}, 0, 32, 64}),
       "68]: byte 67: tensor 'x' offset 64 leaves a hole at the start of the data; 0 expected"},
      {"overlap",
       changed([](auto& file) { file.tensors[1].offset = 64; }),
       "68]: byte 108: tensor 'y' offset 64 overlaps 'x' (0..128)"},
      {"hole",
       changed([](auto& file) { file.tensors[1].offset = 160; }),
       "68]: byte 108: tensor 'y' offset 160 leaves a hole after 'x' (0..128)"},
      {"cut by 1 byte",
       tiny_container().bytes().substr(0, 4383),
       "69]: byte 108: tensor 'y' ends at 4,384 but the file has 4,383 bytes; the file is cut "
       "short"},
      {"offset 2^64-32",
       changed([](auto& file) { file.tensors[1].offset = kMax - 31; }),
       "70]: byte 108: tensor 'y' offset 18446744073709551584 is beyond the file"},
      {"sum wraps",
       changed([](auto& file) {
         file.tensors.clear();
         for (const char* name : {"a", "b", "c", "d"})
           file.tensors.push_back({name, {int64_t{1} << 60}, 0, 32});
       }),
       "71]: byte 166: total tensor size overflows at tensor 'd'"},
      {"no data", tiny_container().header(), "72]: byte 141: file ends before the tensor data"},
      {"cut entry",
       tiny_container().header().substr(0, 130),
       "72]: byte 129: file ends inside tensor entry 1 of 2"},
  };
}

void expect_refusals(const std::vector<BadFile>& files) {
  for (const BadFile& file : files) {
    std::string got = verdict([&] { parse_shard(as_file(file.bytes), "f.gguf"); });
    const size_t name = got.find("f.gguf: ");
    if (name != std::string::npos) got.erase(name, 8);
    EXPECT_EQ(got, "error[GGUF-" + file.refusal) << file.name;
  }
}

TEST(BadContainer, HeaderIsRefused) { expect_refusals(bad_headers()); }
TEST(BadContainer, EntryIsRefused) { expect_refusals(bad_entries()); }
TEST(BadContainer, TensorIsRefused) { expect_refusals(bad_tensors()); }

TEST(BadContainer, HeaderCutAtEachByteIsRefused) {
  const std::string bytes = tiny_container().bytes();
  for (size_t size = 1; size < 24; ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_EQ(verdict([&] { parse_shard(as_file(cut), "f"); }),
              "error[GGUF-02]: f: byte 0: file ends inside the header (" + std::to_string(size) +
                  " bytes); needs 24");
  }
}

TEST(BadContainer, UntrustedTextIsEscapedAndCut) {
  GgufFile file = tiny_container();
  file.tensors[0] = {"\x1b[31m" + std::string(50, 'n'), {8}, 99, 32};
  const std::string bytes = file.bytes();
  const std::string got = verdict([&] { parse_shard(as_file(bytes), "dir/\nf"); });
  EXPECT_EQ(got.find('\x1b'), std::string::npos) << got;
  EXPECT_EQ(got.find('\n'), std::string::npos) << got;
}

}  // namespace
}  // namespace shoal::loader::testing
