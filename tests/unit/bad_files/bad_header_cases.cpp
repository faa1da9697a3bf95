#include "tests/unit/bad_files/bad_case.h"

namespace shoal::loader::testing {
namespace {

constexpr uint64_t kMax = UINT64_MAX;

// A first shard whose metadata are these bytes alone, said to hold `count` entries.
std::function<void(Bytes&)> raw_metadata(std::string bytes, uint64_t count = 1) {
  return [bytes = std::move(bytes), count](Bytes& files) {
    GgufFile file;
    file.num_entries = count;
    files[0] = file.bytes() + bytes;
  };
}
std::function<void(Bytes&)> value_of_x(uint32_t type, const std::string& value) {
  return raw_metadata(entry("x", type, value));
}
std::function<void(Bytes&)> cut(size_t file, size_t size) {
  return [=](Bytes& files) { files[file].resize(size); };
}

std::vector<BadCase> headers() {
  std::vector<BadCase> cases = {
      {1, "empty file", {}, "GGUF-01 1: file is empty; a GGUF header needs 24 bytes", cut(0, 0)},
      {1,
       "empty last shard",
       {},
       "GGUF-01 3: file is empty; a GGUF header needs 24 bytes",
       cut(2, 0)},
      {3,
       "magic FUGG",
       [](Shards& s) { s[0].magic = "FUGG"; },
       "GGUF-03 1: not a GGUF file: magic is 46 55 47 47, expected 47 47 55 46"},
      {3,
       "magic that does not print",
       [](Shards& s) { s[1].magic = "\x1b[2J"; },
       "GGUF-03 2: not a GGUF file: magic is 1b 5b 32 4a, expected 47 47 55 46"},
      {4,
       "version 0",
       [](Shards& s) { s[0].version = 0; },
       "GGUF-04 1: version 0 is not valid; versions 2 and 3 are supported"},
      {5,
       "version 1",
       [](Shards& s) { s[0].version = 1; },
       "GGUF-05 1: version 1 is too old; convert it again"},
      {6,
       "version 4",
       [](Shards& s) { s[2].version = 4; },
       "GGUF-06 3: version 4 is newer than this program (3)"},
      {7,
       "big-endian",
       [](Shards& s) { s[0].version = 0x03000000; },
       "GGUF-07 1: file is big-endian; only little-endian is supported"},
      {9,
       "a billion tensors in 1 KB",
       {},
       "GGUF-08 1: tensor count 1000000000 cannot fit: 1,000 bytes left, at least 24 each",
       [](Bytes& files) {
         files[0].resize(1024);
         files[0].replace(8, 8, raw(uint64_t{1'000'000'000}));
       }},
      {10,
       "2^64-1 entries",
       {},
       "GGUF-10 1: metadata count 18446744073709551615 cannot fit: 500 bytes left, at least 13 "
       "each",
       [](Bytes& files) {
         files[0].resize(524);
         files[0].replace(16, 8, raw(kMax));
       }},
      {11,
       "one entry too many",
       {},
       "GGUF-11 1: file ends inside metadata entry 2 of 3",
       raw_metadata(entry("a-key-of-sixteen", 0, "\1") + entry("b-key-of-sixteen", 0, "\1"), 3)},
      {12,
       "no tensors in any shard",
       [](Shards& s) {
         for (GgufFile& shard : s) {
           shard.tensors.clear();
           shard.i32("split.tensors.count", 0);
         }
       },
       "GGUF-12 1: no tensors in the model"},
      {28,
       "a million entries",
       {},
       "GGUF-28 1: metadata count 1000000 exceeds the limit 65536",
       [](Bytes& files) {
         GgufFile file;
         file.num_entries = 1'000'000;
         files[0] = file.bytes();
         for (int i = 0; i < 1'000'000; ++i) files[0] += entry(std::to_string(i), 0, "\1");
       }},
      {32,
       "alignment 0",
       [](Shards& s) { s[0].u32("general.alignment", 0); },
       "GGUF-32 1: alignment 0; a power of two from 1 to 1048576 is required"},
      {33,
       "alignment 13",
       [](Shards& s) { s[2].u32("general.alignment", 13); },
       "GGUF-33 3: alignment 13 is not a power of two"},
      {34,
       "alignment as i32",
       [](Shards& s) { s[0].i32("general.alignment", 32); },
       "GGUF-34 1: key 'general.alignment' must be u32, found i32"},
      {34,
       "alignment as string",
       [](Shards& s) { s[0].string("general.alignment", "32"); },
       "GGUF-34 1: key 'general.alignment' must be u32, found string"},
      {35,
       "alignment 2^31",
       [](Shards& s) { s[1].u32("general.alignment", 0x80000000); },
       "GGUF-35 2: alignment 2147483648 exceeds 1048576"},
  };
  for (size_t size = 1; size < 24; ++size)
    cases.push_back(
        {2,
         "header cut at " + std::to_string(size),
         {},
         "GGUF-02 2: file ends inside the header (" + std::to_string(size) + " bytes); needs 24",
         cut(1, size)});
  for (const uint64_t count : {kMax, uint64_t{1} << 63, uint64_t{1} << 60})
    cases.push_back({8,
                     "tensor count " + std::to_string(count),
                     {},
                     "GGUF-08 1: tensor count " + std::to_string(count) +
                         " cannot fit: 1,000 bytes left, at least 24 each",
                     [count](Bytes& files) {
                       files[0].resize(1024);
                       files[0].replace(8, 8, raw(count));
                     }});
  return cases;
}

std::vector<BadCase> entries() {
  const std::string fill(100, '\0');
  std::string deep;  // arrays of one array each
  for (int i = 0; i < 10'000; ++i) deep += raw(uint32_t{9}) + raw(uint64_t{1});
  return {
      {13,
       "key length 2^64-1",
       {},
       "GGUF-13 1: key length 18446744073709551615 exceeds the 65535 allowed",
       raw_metadata(raw(kMax) + fill)},
      {14,
       "key beyond the end",
       {},
       "GGUF-14 1: key length 900 exceeds the 100 bytes left",
       raw_metadata(raw(uint64_t{900}) + fill)},
      {15, "empty key", {}, "GGUF-15 1: entry 0 has an empty key", raw_metadata(fill)},
      {16,
       "key of 65536 bytes",
       {},
       "GGUF-16 1: key length 65536 exceeds 65535",
       raw_metadata(entry(std::string(65536, 'k'), 0, "\1"))},
      {17,
       "escape in a key",
       {},
       "GGUF-17 1: key has byte 0x1b at 4; only printable ASCII is allowed",
       raw_metadata(entry("abcd\x1b[2J", 0, "\1"))},
      {17,
       "newline in a key",
       {},
       "GGUF-17 1: key has byte 0x0a at 1; only printable ASCII is allowed",
       raw_metadata(entry("a\nb", 0, "\1"))},
      {17,
       "NUL in a key",
       {},
       "GGUF-17 1: key has byte 0x00 at 1; only printable ASCII is allowed",
       raw_metadata(entry(std::string("a\0b", 3), 0, "\1"))},
      {17,
       "non-ASCII key",
       {},
       "GGUF-17 1: key has byte 0xc3 at 1; only printable ASCII is allowed",
       raw_metadata(entry("k\xc3\xa9y", 0, "\1"))},
      {18,
       "key twice",
       {},
       "GGUF-18 1: key 'a' appears twice (entries 0 and 2)",
       raw_metadata(entry("a", 0, "\1") + entry("b", 0, "\1") + entry("a", 0, "\1"), 3)},
      {19, "value type 13", {}, "GGUF-19 1: key 'x' has unknown type 13", value_of_x(13, fill)},
      {19,
       "value type -1",
       {},
       "GGUF-19 1: key 'x' has unknown type 4294967295",
       value_of_x(UINT32_MAX, fill)},
      {19,
       "value type 2^31",
       {},
       "GGUF-19 1: key 'x' has unknown type 2147483648",
       value_of_x(0x80000000, fill)},
      {20,
       "array of arrays",
       {},
       "GGUF-20 1: key 'x': nested arrays are not supported",
       value_of_x(9, array_of(9, 1, array_of(0, 1, "\1")))},
      {20,
       "arrays 10,000 deep",
       {},
       "GGUF-20 1: key 'x': nested arrays are not supported",
       value_of_x(9, deep)},
      {21,
       "array element type 77",
       {},
       "GGUF-21 1: key 'x': array element type 77 is unknown",
       value_of_x(9, array_of(77, 1, "\1"))},
      {22,
       "array of 2^63",
       {},
       "GGUF-22 1: key 'x': array of 9223372036854775808 elements cannot fit in 19 bytes",
       value_of_x(9, array_of(0, uint64_t{1} << 63, "0123456789012345678"))},
      {23,
       "array bytes wrap",
       {},
       "GGUF-22 1: key 'x': array of 2305843009213693952 elements cannot fit in 100 bytes",
       value_of_x(9, array_of(10, uint64_t{1} << 61, fill))},
      {24,
       "10^9 empty strings",
       {},
       "GGUF-22 1: key 'x': array of 1000000000 elements cannot fit in 100 bytes",
       value_of_x(9, array_of(8, 1'000'000'000, fill))},
      {25,
       "string of 2^64-1",
       {},
       "GGUF-25 1: string length 18446744073709551615 exceeds the 100 bytes left in the value of "
       "'x'",
       value_of_x(8, raw(kMax) + fill)},
      {25,
       "string of 1 GiB in 160 bytes",
       {},
       "GGUF-25 1: string length 1073741824 exceeds the 100 bytes left in the value of 'x'",
       value_of_x(8, raw(uint64_t{1} << 30) + fill)},
      {26,
       "boolean 2",
       {},
       "GGUF-26 1: key 'x': boolean is 2; 0 or 1 expected",
       value_of_x(7, "\2")},
      {26,
       "boolean 2 in an array",
       {},
       "GGUF-26 1: key 'x': boolean is 2; 0 or 1 expected",
       value_of_x(9, array_of(7, 2, "\1\2"))},
      {27, "cut value", {}, "GGUF-27 1: file ends inside the value of 'x'", value_of_x(4, "\1\1")},
      {27,
       "split.no cut",
       {},
       "GGUF-08 3: tensor count 18 cannot fit: 2 bytes left, at least 24 each",
       cut(2, 26)},
  };
}

}  // namespace

std::vector<BadCase> bad_header_cases() {
  std::vector<BadCase> cases = headers();
  for (BadCase& bad : entries()) cases.push_back(std::move(bad));
  return cases;
}

}  // namespace shoal::loader::testing
