#include "launch/logits_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "launch/private_directory.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

std::vector<float> some_row(int n_vocab, int seed) {
  std::vector<float> row;
  double sum = 0;
  for (int i = 0; i < n_vocab; ++i) row.push_back(static_cast<float>((i * 37 + seed * 11) % 29));
  for (const float x : row) sum += std::exp(static_cast<double>(x));
  for (float& x : row) x -= static_cast<float>(std::log(sum));
  return row;
}

class LogitsFileTest : public testing::Test {
 protected:
  std::string path(const char* name = "logits") const { return folder_.path() + "/" + name; }
  static LogitsFileHeader header() { return {8, 5, 2, std::vector<int32_t>(16, 3)}; }

 private:
  PrivateDirectory folder_{"/tmp"};
};

TEST(LogitsRow, IsWithinHalfAStepAndClippedSixteenBelowTheTop) {
  const std::vector<float> row = some_row(7, 1);
  const std::vector<float> back = decode_logits_row(encode_logits_row(row), 7);
  const float top = *std::max_element(row.begin(), row.end());
  for (size_t i = 0; i < row.size(); ++i) {
    const float clipped = std::max(row[i], top - 16);
    // 16 nats in 65535 steps, rounded to the nearest; f32 keeps 2^-20 at this size.
    EXPECT_NEAR(back[i], clipped, 16.0 / 65535 / 2 + 1e-5) << i;
  }
}

TEST(LogitsRow, OfEqualValuesStaysEqual) {
  const std::vector<float> row(4, -1.5f);
  EXPECT_THAT(decode_logits_row(encode_logits_row(row), 4), testing::Each(-1.5f));
}

TEST_F(LogitsFileTest, HasLlamaPerplexitysLayout) {
  LogitsFile file = LogitsFile::create(path(), header());
  // rows of positions 4, 5, 6 of 2 chunks, written in any order
  for (const auto& [chunk, row] : {std::pair{1, 2}, {0, 0}, {1, 0}, {0, 2}, {1, 1}, {0, 1}})
    file.write_row(chunk, row, some_row(5, chunk * 3 + row));
  file.finish();
  const size_t width = 2 * 3 + 4;  // u16 units: 5 rounded up to 6, and two floats
  EXPECT_EQ(std::filesystem::file_size(path()), 8 + 12 + 16 * 4 + 2 * 3 * width * 2);
  std::ifstream bytes(path(), std::ios::binary);
  std::string magic(8, ' ');
  bytes.read(magic.data(), 8);
  EXPECT_EQ(magic, "_logits_");

  LogitsFile back = LogitsFile::open(path());
  EXPECT_EQ(back.header().n_ctx, 8);
  EXPECT_EQ(back.header().ids, header().ids);
  EXPECT_EQ(back.read_row(1, 2), decode_logits_row(encode_logits_row(some_row(5, 5)), 5));
  EXPECT_EQ(back.read_row(0, 1), decode_logits_row(encode_logits_row(some_row(5, 1)), 5));
}

// Every byte, put together by hand from the layout: what llama-perplexity would read and write.
TEST_F(LogitsFileTest, IsTheLayoutByteForByteAndReadsBackToTheSameBytes) {
  // 16 nats below the top is -17: -30 is clipped, and the step is 16 / 65535.
  const std::vector<float> row = {-1, -2, -30, -9, -17};
  const float scale = 16.0f / 65535, min = -17;
  const uint16_t steps[6] = {65535, 61439, 0, 32768, 0, 0};  // 15/16 and 1/2 of 65535, rounded
  std::string expected = "_logits_";
  const auto put = [&expected](const void* value, size_t size) {
    expected.append(static_cast<const char*>(value), size);
  };
  const int32_t numbers[3] = {4, 5, 1};
  const int32_t ids[4] = {1, 2, 3, 4};
  put(numbers, sizeof numbers);
  put(ids, sizeof ids);
  put(&scale, sizeof scale);
  put(&min, sizeof min);
  put(steps, sizeof steps);

  const auto bytes = [](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  };
  LogitsFile file = LogitsFile::create(path(), {4, 5, 1, {1, 2, 3, 4}});
  file.write_row(0, 0, row);
  file.finish();
  EXPECT_EQ(bytes(path()), expected);

  std::ofstream(path("theirs"), std::ios::binary) << expected;
  LogitsFile theirs = LogitsFile::open(path("theirs"));
  LogitsFile copy = LogitsFile::create(path("copy"), theirs.header());
  copy.write_row(0, 0, theirs.read_row(0, 0));
  copy.finish();
  EXPECT_EQ(bytes(path("copy")), expected);
}

TEST_F(LogitsFileTest, RefusesWhatIsNoSuchFile) {
  EXPECT_THROW(LogitsFile::open(path("absent")), Error);
  std::ofstream(path("text")) << "some text that is long enough";
  EXPECT_THROW(LogitsFile::open(path("text")), Error);
  // A header that promises more than there is.
  std::ofstream huge(path("huge"), std::ios::binary);
  const int32_t numbers[3] = {1 << 24, 1 << 24, 1 << 24};
  huge << "_logits_";
  huge.write(reinterpret_cast<const char*>(numbers), sizeof numbers);
  huge.close();
  EXPECT_THROW(LogitsFile::open(path("huge")), Error);
}

}  // namespace
}  // namespace shoal::launch
