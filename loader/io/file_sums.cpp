#include "loader/io/file_sums.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <unordered_map>

#include "loader/format/bad_file.h"
#include "loader/format/block_check.h"
#include "loader/io/file_identity.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

constexpr uint64_t kPieceBytes = 8 << 20;

class Sha256 {
 public:
  Sha256() : state_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) != 1)
      throw Error(ExitCode::kUnexpected, "libcrypto has no SHA-256");
  }
  void feed(std::span<const std::byte> piece) {
    EVP_DigestUpdate(state_.get(), piece.data(), piece.size());
  }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    EVP_DigestFinal_ex(state_.get(), digest.data(), &size);
    std::string out;
    for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> state_;
};

// One tensor on its way past.
class TensorPass {
 public:
  explicit TensorPass(const TensorInfo& tensor)
      : tensor_(tensor), hash_(XXH3_createState(), XXH3_freeState), check_(tensor.dtype) {
    XXH3_64bits_reset(hash_.get());
  }
  void feed(std::span<const std::byte> piece) {
    XXH3_64bits_update(hash_.get(), piece.data(), piece.size());
    check_.feed(piece);
  }
  const TensorInfo& tensor() const { return tensor_; }
  const TensorCheck& check() const { return check_; }
  TensorSum sum() const {
    return {.name = printable(tensor_.name),
            .type = std::string(dtype_name(tensor_.dtype)),
            .offset = tensor_.offset,
            .bytes = tensor_.bytes,
            .xxh3 = XXH3_64bits_digest(hash_.get())};
  }

 private:
  const TensorInfo& tensor_;
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash_;
  TensorCheck check_;
};

struct FileResult {
  FileSum sum;
  std::vector<std::string> faults, zero_tensors;
};

void end_tensor(const TensorPass& pass, const std::string& path, FileResult& result) {
  const TensorInfo& tensor = pass.tensor();
  result.sum.tensors.push_back(pass.sum());
  if (const auto& bad = pass.check().bad_block())
    result.faults.push_back(fmt::format(
        "error[GGUF-73]: {}: byte {}: tensor {} {} {} {} {}",
        printable(path, 4096),
        tensor.offset + static_cast<uint64_t>(bad->index) *
                            static_cast<uint64_t>(dtype_traits(tensor.dtype).block_bytes),
        loader::quoted(tensor.name),
        is_quantized(tensor.dtype) ? "block" : "value",
        bad->index,
        is_quantized(tensor.dtype) ? "has scale" : "is",
        bad->is_nan ? "NaN" : "infinite"));
  if (pass.check().all_zero() && tensor.bytes > 0)
    result.zero_tensors.push_back(printable(tensor.name));
}

FileResult sum_file(const ModelFiles& files, size_t index, std::atomic<uint64_t>& done) {
  const MappedFile& file = files.files[index];
  const uint64_t size = files.directory.shards()[index].bytes;
  FileResult result;
  result.sum.name = std::filesystem::path(file.path()).filename().string();
  result.sum.bytes = size;
  std::vector<const TensorInfo*> tensors;  // in file order
  for (const TensorInfo& tensor : files.directory.tensors())
    if (tensor.shard == static_cast<int>(index)) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return a->offset < b->offset;
  });
  Sha256 sha;
  std::vector<std::byte> memory(std::min(size, kPieceBytes));
  std::unique_ptr<TensorPass> pass;
  size_t next = 0;  // the tensor that has not begun
  for (uint64_t begin = 0; begin < size; begin += kPieceBytes) {
    const std::span piece = std::span(memory).first(std::min(kPieceBytes, size - begin));
    file.read_into(begin, piece);
    sha.feed(piece);
    const uint64_t end = begin + piece.size();
    while (pass || (next < tensors.size() && tensors[next]->offset < end)) {
      if (!pass) pass = std::make_unique<TensorPass>(*tensors[next++]);
      const TensorInfo& tensor = pass->tensor();
      const uint64_t from = std::max(begin, tensor.offset);
      const uint64_t to = std::min(end, tensor.offset + tensor.bytes);
      pass->feed(piece.subspan(from - begin, to - from));
      if (to < tensor.offset + tensor.bytes) break;  // goes on in the next piece
      end_tensor(*pass, file.path(), result);
      pass.reset();
    }
    done += piece.size();
  }
  result.sum.sha256 = sha.hex();
  return result;
}

}  // namespace

ModelSums sum_files(const ModelFiles& files, const SumSettings& settings) {
  SHOAL_ASSERT(!files.files.empty(), "a model without files");
  const size_t count = files.files.size();
  uint64_t total = 0;
  for (const ShardFile& shard : files.directory.shards()) total += shard.bytes;
  std::vector<FileResult> results(count);
  std::atomic<uint64_t> done{0};
  std::atomic<size_t> next{0};
  std::vector<std::future<void>> workers;
  for (int i = 0; i < std::clamp(settings.num_threads, 1, static_cast<int>(count)); ++i)
    workers.push_back(std::async(std::launch::async, [&] {
      for (size_t index = next++; index < count; index = next++)
        results[index] = sum_file(files, index, done);
    }));
  using namespace std::chrono_literals;
  for (std::future<void>& worker : workers)
    while (worker.wait_for(200ms) != std::future_status::ready)
      if (settings.progress) settings.progress(done, total);
  for (std::future<void>& worker : workers) worker.get();
  if (settings.progress) settings.progress(done, total);
  const std::vector<FileIdentity> identities = identify(files);
  ModelSums out;
  for (size_t i = 0; i < count; ++i) {
    results[i].sum.header_hash = identities[i].header_hash;
    results[i].sum.sample_hash = identities[i].sample_hash;
    out.manifest.files.push_back(std::move(results[i].sum));
    std::move(results[i].faults.begin(), results[i].faults.end(), std::back_inserter(out.faults));
    std::move(results[i].zero_tensors.begin(),
              results[i].zero_tensors.end(),
              std::back_inserter(out.zero_tensors));
  }
  return out;
}

std::vector<std::string> differences(const Manifest& found,
                                     const Manifest& expected,
                                     const ModelFiles& files) {
  std::vector<std::string> out;
  const auto say = [&out](const std::string& path, uint64_t byte, const std::string& what) {
    out.push_back(
        fmt::format("error[GGUF-86]: {}: byte {}: {}", printable(path, 4096), byte, what));
  };
  if (found.files.size() != expected.files.size()) {
    say(files.files.front().path(),
        0,
        fmt::format(
            "the set has {} files, the manifest {}", found.files.size(), expected.files.size()));
    return out;
  }
  for (size_t i = 0; i < found.files.size(); ++i) {
    const FileSum& is = found.files[i];
    const FileSum& should_be = expected.files[i];
    if (is.sha256 == should_be.sha256 && is.bytes == should_be.bytes) continue;
    const std::string& path = files.files[i].path();
    const size_t before = out.size();
    std::unordered_map<std::string, const TensorSum*> by_name;
    for (const TensorSum& tensor : should_be.tensors) by_name.emplace(tensor.name, &tensor);
    for (const TensorSum& tensor : is.tensors) {
      const auto known = by_name.find(tensor.name);
      if (known == by_name.end())
        say(path, tensor.offset, fmt::format("tensor '{}' is not in the manifest", tensor.name));
      else if (known->second->xxh3 != tensor.xxh3)
        say(path,
            tensor.offset,
            fmt::format("tensor '{}' does not match the manifest (xxh3 {:016x}, expected {:016x})",
                        tensor.name,
                        tensor.xxh3,
                        known->second->xxh3));
    }
    if (out.size() == before)
      say(path,
          0,
          fmt::format("shard {} does not match the manifest outside its tensors ({} bytes, SHA-256 "
                      "{}, expected {} bytes, {})",
                      i + 1,
                      grouped(is.bytes),
                      is.sha256,
                      grouped(should_be.bytes),
                      printable(should_be.sha256)));
  }
  return out;
}

}  // namespace shoal::loader
