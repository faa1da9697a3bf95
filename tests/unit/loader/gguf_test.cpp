#include "loader/format/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

ShardHeader parse(const std::string& bytes) { return parse_shard(as_file(bytes), "f.gguf"); }

TEST(Gguf, ReadsWhatTheWriterWrote) {
  GgufFile file = tiny_container();
  file.u32("n", 7);
  file.f32("f", 0.5F);
  file.put("words", 9, texts({"one", "", "th\0ree"}));
  file.put("flags", 9, array_of(7, 3, std::string("\1\0\1", 3)));
  const std::string bytes = file.bytes();
  const ShardHeader header = parse(bytes);
  EXPECT_EQ(header.version, 3U);
  EXPECT_EQ(header.metadata.get<uint32_t>("n"), 7U);
  EXPECT_EQ(header.metadata.get<float>("f"), 0.5F);
  EXPECT_EQ(header.metadata.get<uint32_t>("absent"), std::nullopt);
  EXPECT_THAT(*header.metadata.get_array<std::string_view>("words"),
              ::testing::ElementsAre("one", "", "th"));
  EXPECT_THAT(*header.metadata.get_array<uint8_t>("flags"), ::testing::ElementsAre(1, 0, 1));
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[0].ne, (std::array<int64_t, 4>{8, 4, 1, 1}));
  EXPECT_EQ(header.tensors[0].bytes, 128U);
  // Data: 128 bytes of x, then 4096 of y, at the end of the file.
  EXPECT_EQ(header.file.data_offset, bytes.size() - 128 - 4096);
  EXPECT_EQ(header.tensors[0].offset, header.file.data_offset);
  EXPECT_EQ(header.tensors[1].offset, header.file.data_offset + 128);
}

TEST(Gguf, PlacesAreThoseOfTheFile) {
  const GgufFile file = tiny_model();
  const std::string bytes = file.bytes();
  const ShardHeader header = parse(bytes);
  for (const auto& [key, typed] : file.entries)
    EXPECT_EQ(header.metadata.place(key).byte, file.value_byte(key)) << key;
  EXPECT_EQ(header.metadata.place("absent").byte, file.value_byte("absent"));
  // An entry starts with its name's length, eight bytes before the name.
  for (const TensorInfo& tensor : header.tensors)
    EXPECT_EQ(tensor.header_byte, bytes.find(text(tensor.name))) << tensor.name;
}

TEST(Gguf, AcceptsLegalFormsThatAStrictReaderTripsOver) {
  GgufFile no_tensors = tiny_container();
  no_tensors.tensors.clear();
  const ShardHeader header = parse(no_tensors.bytes());
  EXPECT_EQ(header.file.data_offset, header.file.bytes);

  GgufFile unaligned = tiny_container();
  unaligned.u32("general.alignment", 1);
  unaligned.alignment = 1;
  unaligned.tensors[0] = {"x", {3}};
  EXPECT_EQ(verdict([&] { parse(unaligned.bytes()); }), "loads");

  GgufFile long_name = tiny_container();
  long_name.tensors[0].name = std::string(63, 'n');
  EXPECT_EQ(verdict([&] { parse(long_name.bytes()); }), "loads");

  GgufFile older = tiny_container();
  older.version = 2;
  EXPECT_EQ(verdict([&] { parse(older.bytes()); }), "loads");

  // Zero elements are legal in a tensor that nobody needs.
  GgufFile zero = tiny_container();
  zero.tensors[1].ne = {4, 0};
  EXPECT_EQ(verdict([&] { parse(zero.bytes()); }), "loads");

  // The last tensor's padding may be left out.
  GgufFile odd = tiny_container();
  odd.tensors[1].ne = {3};
  std::string bytes = odd.bytes();
  bytes.resize(bytes.size() - 20);
  EXPECT_EQ(verdict([&] { parse(bytes); }), "loads");
}

TEST(Gguf, HashTellsHeadersApart) {
  GgufFile file = tiny_container();
  const uint64_t hash = parse(file.bytes()).file.header_hash;
  EXPECT_EQ(parse(file.bytes()).file.header_hash, hash);
  file.tensors[0].type = 1;  // f16: half the bytes
  file.tensors[0].bytes = 64;
  EXPECT_NE(parse(file.bytes()).file.header_hash, hash);
}

// Typed access to a value of another type names both types.
TEST(Gguf, TypedAccessRefusesOtherTypes) {
  GgufFile file = tiny_container();
  file.put("n", 0, "\7");
  const std::string bytes = file.bytes();
  const ShardHeader header = parse(bytes);
  EXPECT_THAT(verdict([&] { header.metadata.get<uint32_t>("n"); }),
              ::testing::EndsWith("key 'n' must be u32, found u8"));
  EXPECT_THAT(verdict([&] { header.metadata.get_array<int32_t>("n"); }),
              ::testing::EndsWith("array 'n' must be i32, found u8"));
  EXPECT_EQ(header.metadata.number("n"), 7.0);
}

}  // namespace
}  // namespace shoal::loader::testing
