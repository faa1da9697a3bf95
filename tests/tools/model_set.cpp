#include "tests/tools/model_set.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "tests/tools/gguf_bytes.h"
#include "tests/tools/made_vocab.h"
#include "tests/tools/random_blocks.h"

namespace shoal::tools {
namespace {

constexpr uint64_t kPieceBytes = 4 << 20;

ModelShape shape_of(const ModelSpec& spec) {
  ModelShape shape = find_shape(spec.shape);
  const auto take = [](int& value, const std::optional<int>& wanted, const char* what) {
    if (!wanted) return;
    if (*wanted < 1) throw std::invalid_argument(fmt::format("{} {}: at least 1", *wanted, what));
    value = *wanted;
  };
  take(shape.layers, spec.layers, "layers");
  take(shape.experts, spec.experts, "experts");
  take(shape.vocab, spec.vocab, "tokens");
  shape.topk = std::min(shape.topk, shape.experts);
  return shape;
}

void put_model(EntryBytes& entries, const ModelShape& shape, const std::string& name) {
  const auto number = [&](const char* suffix, int value) {
    entries.u32(fmt::format("qwen35moe.{}", suffix), static_cast<uint32_t>(value));
  };
  entries.text("general.architecture", "qwen35moe");
  entries.text("general.name", name);
  entries.u32("general.quantization_version", 2);
  number("block_count", shape.layers);
  number("context_length", 262144);
  number("embedding_length", shape.hidden);
  number("attention.head_count", shape.heads);
  number("attention.head_count_kv", shape.kv_heads);
  number("attention.key_length", 256);
  number("attention.value_length", 256);
  entries.f32("qwen35moe.attention.layer_norm_rms_epsilon", 1e-6f);
  number("rope.dimension_count", 64);
  entries.i32s("qwen35moe.rope.dimension_sections", std::array<int32_t, 4>{11, 11, 10, 0});
  entries.f32("qwen35moe.rope.freq_base", 1e7f);
  number("expert_count", shape.experts);
  number("expert_used_count", shape.topk);
  number("expert_feed_forward_length", shape.expert_ffn);
  number("expert_shared_feed_forward_length", shape.shared_ffn);
  number("ssm.conv_kernel", 4);
  number("ssm.state_size", 128);
  number("ssm.group_count", shape.k_heads);
  number("ssm.time_step_rank", shape.v_heads);
  number("ssm.inner_size", shape.v_heads * 128);
  number("full_attention_interval", 4);
}

// Whole tensors in file order, as many a shard as fit.
std::vector<std::vector<LaidTensor>> cut(std::vector<LaidTensor> tensors, uint64_t shard_bytes) {
  std::vector<std::vector<LaidTensor>> shards(1);
  uint64_t bytes = 0;
  for (LaidTensor& tensor : tensors) {
    const uint64_t padded = aligned(tensor.bytes);
    if (bytes + padded > shard_bytes && !shards.back().empty()) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += padded;
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

PlannedShard finish(std::string file_name,
                    const EntryBytes& entries,
                    std::vector<LaidTensor> tensors) {
  PlannedShard shard{.file_name = std::move(file_name),
                     .header = header_bytes(entries, tensors),
                     .tensors = std::move(tensors),
                     .offsets = {},
                     .bytes = 0};
  shard.bytes = shard.header.size();
  for (const LaidTensor& tensor : shard.tensors) {
    shard.offsets.push_back(shard.bytes);
    shard.bytes += aligned(tensor.bytes);
  }
  return shard;
}

[[noreturn]] void fail(const std::string& call, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), call + " " + path);
}

class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("open", path_);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void resize(uint64_t bytes) const {
    if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) fail("ftruncate", path_);
  }
  void write(uint64_t offset, std::span<const std::byte> data) const {
    while (!data.empty()) {
      const ssize_t wrote = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) fail("pwrite", path_);
      data = data.subspan(static_cast<size_t>(wrote));
      offset += static_cast<uint64_t>(wrote);
    }
  }

 private:
  std::string path_;
  int fd_ = -1;
};

struct Piece {
  size_t tensor;
  uint64_t begin, bytes;
};

// Threads take the next piece until none is left; the first failure ends them all.
void write_weights(const PlannedShard& shard, const File& file, const ModelSpec& spec) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < shard.tensors.size(); ++i) {
    const uint64_t step = piece_bytes(shard.tensors[i], kPieceBytes);
    for (uint64_t at = 0; at < shard.tensors[i].bytes; at += step)
      pieces.push_back({i, at, std::min(step, shard.tensors[i].bytes - at)});
  }
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    std::vector<std::byte> buffer;
    try {
      for (size_t i = next++; i < pieces.size(); i = next++) {
        const Piece& piece = pieces[i];
        buffer.resize(piece.bytes);
        fill_random(shard.tensors[piece.tensor], spec.seed, piece.begin, buffer);
        file.write(shard.offsets[piece.tensor] + piece.begin, buffer);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = pieces.size();
    }
  };
  const unsigned wanted =
      spec.threads > 0 ? static_cast<unsigned>(spec.threads) : std::thread::hardware_concurrency();
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < wanted; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<PlannedShard> plan_model_set(const ModelSpec& spec) {
  const ModelShape shape = shape_of(spec);
  const ModelMix mix = find_mix(spec.mix);
  std::vector<LaidTensor> tensors = lay_out(shape, mix);
  const size_t num_tensors = tensors.size();
  std::vector<std::vector<LaidTensor>> parts = cut(std::move(tensors), spec.shard_bytes);
  const bool split = parts.size() > 1;
  if (split && mix.metadata_shard) parts.insert(parts.begin(), std::vector<LaidTensor>());

  const std::string prefix = fmt::format("{}-{}", shape.file_name, mix.name);
  std::vector<PlannedShard> shards;
  for (size_t i = 0; i < parts.size(); ++i) {
    EntryBytes entries;
    if (i == 0) {
      put_model(entries, shape, prefix);
      put_vocab(entries, shape.vocab);
    }
    if (split) {
      entries.u16("split.no", static_cast<uint16_t>(i));
      entries.u16("split.count", static_cast<uint16_t>(parts.size()));
      entries.i32("split.tensors.count", static_cast<int32_t>(num_tensors));
    }
    const std::string name =
        split ? fmt::format("{}-{:05}-of-{:05}.gguf", prefix, i + 1, parts.size())
              : prefix + ".gguf";
    shards.push_back(finish(name, entries, std::move(parts[i])));
  }
  return shards;
}

std::vector<std::string> write_model_set(const ModelSpec& spec, const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::vector<std::string> paths;
  for (const PlannedShard& shard : plan_model_set(spec)) {
    paths.push_back(folder + "/" + shard.file_name);
    const File file(paths.back());
    file.write(0, std::as_bytes(std::span(shard.header)));
    file.resize(shard.bytes);
    if (spec.fill == Fill::kRandom) write_weights(shard, file, spec);
  }
  return paths;
}

}  // namespace shoal::tools
