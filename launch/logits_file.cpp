#include "launch/logits_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr std::string_view kMagic = "_logits_";
constexpr size_t kHeaderBytes = 8 + 3 * sizeof(int32_t);

int64_t first_row(const LogitsFileHeader& header) {
  return static_cast<int64_t>(kHeaderBytes) + int64_t{4} * header.n_ctx * header.n_chunk;
}

int64_t row_bytes(const LogitsFileHeader& header) {
  return static_cast<int64_t>(logits_row_width(header.n_vocab) * sizeof(uint16_t));
}

int64_t file_bytes(const LogitsFileHeader& header) {
  return first_row(header) + row_bytes(header) * header.rows_per_chunk() * header.n_chunk;
}

}  // namespace

size_t logits_row_width(int32_t n_vocab) {
  return 2 * ((static_cast<size_t>(n_vocab) + 1) / 2) + 4;
}

std::vector<uint16_t> encode_logits_row(std::span<const float> log_probs) {
  const auto [lowest, top] = std::minmax_element(log_probs.begin(), log_probs.end());
  const float min = std::max(*lowest, *top - kLogitsFileRange);
  const float scale = (*top - min) / 65535;
  std::vector<uint16_t> row(logits_row_width(static_cast<int32_t>(log_probs.size())));
  std::memcpy(row.data(), &scale, sizeof scale);
  std::memcpy(row.data() + 2, &min, sizeof min);
  for (size_t i = 0; i < log_probs.size(); ++i) {
    const float steps = scale > 0 && log_probs[i] > min ? (log_probs[i] - min) / scale : 0;
    row[i + 4] = static_cast<uint16_t>(std::clamp<long>(std::lround(steps), 0, 65535));
  }
  return row;
}

std::vector<float> decode_logits_row(std::span<const uint16_t> row, int32_t n_vocab) {
  float scale = 0;
  float min = 0;
  std::memcpy(&scale, row.data(), sizeof scale);
  std::memcpy(&min, row.data() + 2, sizeof min);
  std::vector<float> log_probs(static_cast<size_t>(n_vocab));
  for (size_t i = 0; i < log_probs.size(); ++i)
    log_probs[i] = scale * static_cast<float>(row[i + 4]) + min;
  return log_probs;
}

LogitsFile::LogitsFile(std::string path, std::FILE* file, LogitsFileHeader header)
    : path_(std::move(path)), file_(file), header_(std::move(header)) {}

void LogitsFile::fail(const char* what) const {
  throw Error(ExitCode::kUsage,
              fmt::format("{} '{}': {}",
                          what,
                          printable(path_, 200),
                          errno != 0 ? std::strerror(errno) : "it ends early"));
}

LogitsFile LogitsFile::create(const std::string& path, LogitsFileHeader header) {
  SHOAL_ASSERT(header.ids.size() == static_cast<size_t>(header.n_ctx) * header.n_chunk,
               "{} ids",
               header.ids.size());
  LogitsFile result(path, std::fopen(path.c_str(), "wb"), std::move(header));
  if (result.file_ == nullptr) result.fail("cannot write");
  const LogitsFileHeader& h = result.header_;
  std::FILE* file = result.file_.get();
  errno = 0;
  if (std::fwrite(kMagic.data(), 1, kMagic.size(), file) != kMagic.size() ||
      std::fwrite(&h.n_ctx, 4, 1, file) != 1 || std::fwrite(&h.n_vocab, 4, 1, file) != 1 ||
      std::fwrite(&h.n_chunk, 4, 1, file) != 1 ||
      std::fwrite(h.ids.data(), 4, h.ids.size(), file) != h.ids.size())
    result.fail("cannot write");
  return result;
}

LogitsFile LogitsFile::open(const std::string& path) {
  LogitsFile result(path, std::fopen(path.c_str(), "rb"), {});
  if (result.file_ == nullptr) result.fail("cannot read");
  const auto refuse = [&](const char* why) {
    throw Error(ExitCode::kUsage, fmt::format("'{}' {}", printable(path, 200), why));
  };
  std::FILE* file = result.file_.get();
  LogitsFileHeader& h = result.header_;
  char magic[8] = {};
  if (std::fread(magic, 1, 8, file) != 8 || std::string_view(magic, 8) != kMagic)
    refuse("is no file of saved logits");
  if (std::fread(&h.n_ctx, 4, 1, file) != 1 || std::fread(&h.n_vocab, 4, 1, file) != 1 ||
      std::fread(&h.n_chunk, 4, 1, file) != 1)
    refuse("ends inside its header");
  struct stat status {};
  if (fstat(fileno(file), &status) != 0) result.fail("cannot read");
  constexpr int32_t kMax = 1 << 24;  // keeps the products below inside 64 bits
  if (h.n_ctx < 4 || h.n_ctx > kMax || h.n_vocab < 1 || h.n_vocab > kMax || h.n_chunk < 1 ||
      h.n_chunk > status.st_size / (int64_t{4} * h.n_ctx) || file_bytes(h) != status.st_size)
    refuse("has a header that does not match its size");
  h.ids.resize(static_cast<size_t>(h.n_ctx) * static_cast<size_t>(h.n_chunk));
  if (std::fread(h.ids.data(), 4, h.ids.size(), file) != h.ids.size()) refuse("ends early");
  return result;
}

void LogitsFile::seek(int chunk, int row) {
  const int64_t index = int64_t{chunk} * header_.rows_per_chunk() + row;
  errno = 0;
  if (fseeko(file_.get(), first_row(header_) + index * row_bytes(header_), SEEK_SET) != 0)
    fail("cannot seek in");
}

void LogitsFile::write_row(int chunk, int row, std::span<const float> log_probs) {
  SHOAL_ASSERT(log_probs.size() == static_cast<size_t>(header_.n_vocab),
               "{} of {}",
               log_probs.size(),
               header_.n_vocab);
  const std::vector<uint16_t> encoded = encode_logits_row(log_probs);
  seek(chunk, row);
  if (std::fwrite(encoded.data(), 2, encoded.size(), file_.get()) != encoded.size())
    fail("cannot write");
}

std::vector<float> LogitsFile::read_row(int chunk, int row) {
  std::vector<uint16_t> encoded(logits_row_width(header_.n_vocab));
  seek(chunk, row);
  if (std::fread(encoded.data(), 2, encoded.size(), file_.get()) != encoded.size())
    fail("cannot read");
  return decode_logits_row(encoded, header_.n_vocab);
}

void LogitsFile::finish() {
  errno = 0;
  if (std::fflush(file_.get()) != 0) fail("cannot write");
}

}  // namespace shoal::launch
