// Whatever the bytes are, the reader gives a verdict: it loads them or refuses them as a bad model
// file. Anything else (a signal, another exception, a failed assertion) fails the test.
#include <gtest/gtest.h>

#include "loader/format/describe.h"
#include "loader/format/model_config.h"
#include "loader/format/split_set.h"
#include "loader/format/vocab.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

// Everything that reads a header. Each stage is tried on its own: a bad vocabulary must not hide
// what the configuration would have said.
std::string read_all(const std::string& bytes) {
  return verdict([&] {
    std::vector<ShardHeader> headers;
    headers.push_back(parse_shard(as_file(bytes), "f"));
    const ParsedModel model = join_shards(std::move(headers));
    const std::string config =
        verdict([&] { parse_model_config(model.metadata, model.directory); });
    const std::string vocab = verdict([&] { parse_vocab(model.metadata); });
    if (config != "loads") throw ModelFileError(config);
    if (vocab != "loads") throw ModelFileError(vocab);
  });
}

// Describing takes anything that the container's rules let through.
void describe(const std::string& bytes) {
  verdict([&] {
    std::vector<ShardHeader> headers;
    headers.push_back(parse_shard(as_file(bytes), "f"));
    const ParsedModel model = join_shards(std::move(headers));
    describe_model(model.metadata, model.directory).dump();
  });
}

void expect_verdict(const std::string& got, size_t place) {
  EXPECT_TRUE(got == "loads" || got.starts_with("error[GGUF-")) << "at " << place << ": " << got;
  EXPECT_EQ(got.find('\n'), std::string::npos) << "at " << place;
}

TEST(BadBytesSweep, CutAtEveryByte) {
  const std::string bytes = tiny_model().bytes();
  ASSERT_EQ(read_all(bytes), "loads");
  // The last tensor is 6 x 8 floats, which fill their 192 bytes of file: no cut leaves all data.
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string got = read_all(bytes.substr(0, size));
    EXPECT_TRUE(got.starts_with("error[GGUF-")) << "cut at " << size << ": " << got;
  }
}

TEST(BadBytesSweep, EveryBitOfTheFirst4KiB) {
  std::string bytes = tiny_model().bytes();
  const size_t end = std::min<size_t>(bytes.size(), 4096);
  size_t refused = 0;
  for (size_t bit = 0; bit < end * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const std::string got = read_all(bytes);
    expect_verdict(got, bit / 8);
    refused += got != "loads";
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
  EXPECT_GT(refused, 0U);
}

TEST(BadBytesSweep, EveryByteSetToItsExtremes) {
  std::string bytes = tiny_model().bytes();
  const size_t end = std::min<size_t>(bytes.size(), 4096);
  for (size_t i = 0; i < end; ++i) {
    const char kept = bytes[i];
    for (const char value : {'\0', '\x7f', '\x80', '\xff'}) {
      bytes[i] = value;
      expect_verdict(read_all(bytes), i);
    }
    describe(bytes);
    bytes[i] = kept;
  }
}

}  // namespace
}  // namespace shoal::loader::testing
