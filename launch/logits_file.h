// llama-perplexity's file of log-probabilities (--save-all-logits, --kl-divergence-base).
// Little-endian: "_logits_", i32 n_ctx, n_vocab, n_chunk, i32 ids[n_chunk * n_ctx], then for each
// chunk the rows of positions n_ctx / 2 .. n_ctx - 2. A row is f32 scale, f32 min, and a u16 for
// each entry of the vocabulary (rounded up to even): log-probability = scale * u16 + min.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace shoal::launch {

// How far below the likeliest token the file still tells tokens apart.
inline constexpr float kLogitsFileRange = 16;

struct LogitsFileHeader {
  int32_t n_ctx = 0, n_vocab = 0, n_chunk = 0;
  std::vector<int32_t> ids;  // n_chunk * n_ctx

  int first_position() const { return n_ctx / 2; }
  int rows_per_chunk() const { return n_ctx - 1 - n_ctx / 2; }
};

// u16 units of a row, scale and min included.
size_t logits_row_width(int32_t n_vocab);
std::vector<uint16_t> encode_logits_row(std::span<const float> log_probs);
std::vector<float> decode_logits_row(std::span<const uint16_t> row, int32_t n_vocab);

// One of the two directions. Rows may be written in any order. Throws Error (usage) naming the
// file.
class LogitsFile {
 public:
  static LogitsFile create(const std::string& path, LogitsFileHeader header);
  static LogitsFile open(const std::string& path);  // checks the header against the size

  const LogitsFileHeader& header() const { return header_; }
  void write_row(int chunk, int row, std::span<const float> log_probs);
  std::vector<float> read_row(int chunk, int row);
  void finish();  // flushes what was written

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  LogitsFile(std::string path, std::FILE* file, LogitsFileHeader header);
  void seek(int chunk, int row);
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  LogitsFileHeader header_;
};

}  // namespace shoal::launch
