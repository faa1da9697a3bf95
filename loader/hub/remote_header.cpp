#include "loader/hub/remote_header.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>
#include <optional>

#include "loader/format/gguf.h"
#include "loader/hub/repo_client.h"
#include "runtime/base/error.h"

namespace shoal::hub {
namespace {

constexpr uint64_t kFirst = uint64_t{1} << 20;
constexpr uint64_t kLongest = uint64_t{256} << 20;

// A file's size in address space, of which only the start is filled: the parser checks tensors
// against the file's end without reading them.
class HollowFile {
 public:
  HollowFile(uint64_t bytes, const std::string& start)
      : bytes_(bytes),
        data_(mmap(nullptr,
                   bytes,
                   PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1,
                   0)) {
    if (data_ == MAP_FAILED) throw_errno(ExitCode::kDoesNotFit, fmt::format("mmap of {}", bytes));
    std::memcpy(data_, start.data(), start.size());
  }
  ~HollowFile() { munmap(data_, bytes_); }
  HollowFile(const HollowFile&) = delete;
  HollowFile& operator=(const HollowFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<std::byte*>(data_), bytes_}; }

 private:
  uint64_t bytes_;
  void* data_;
};

loader::ShardHeader read_header(RepoClient& client, const RemoteFile& file) {
  for (uint64_t count = std::min(kFirst, file.bytes);; count = std::min(count * 4, file.bytes)) {
    const bool last = count == file.bytes || count >= kLongest;
    const HollowFile hollow(file.bytes, client.read_start(file, count));
    try {
      loader::ShardHeader header = loader::parse_shard(hollow.bytes(), file.file_name());
      if (header.file.data_offset <= count || last) return header;
    } catch (const ModelFileError&) {
      if (last) throw;  // otherwise the header goes on behind what was read
    }
  }
}

}  // namespace

loader::ParsedModel read_remote_headers(const HubSettings& settings,
                                        const RepoName& repo,
                                        const QuantSet& set) {
  init_http();
  RepoClient client(settings, repo);
  std::vector<loader::ShardHeader> headers;
  for (const RemoteFile& file : set.files) headers.push_back(read_header(client, file));
  return loader::join_shards(std::move(headers));
}

}  // namespace shoal::hub
