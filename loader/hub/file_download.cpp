#include "loader/hub/file_download.h"

#include <fmt/format.h>

#include <exception>
#include <optional>

#include "loader/hub/partial_file.h"
#include "loader/hub/retry.h"
#include "loader/hub/sha256.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

constexpr uint64_t kProgress = uint64_t{1} << 20;

class FileDownload {
 public:
  FileDownload(const HubSettings& settings,
               const RepoName& repo,
               const RemoteFile& file,
               PullState& state)
      : file_(file),
        state_(state),
        client_(settings, repo),
        retry_(settings, file.path, [&state] { return state.cancelled.load(); }) {
    client_.set_cancelled([&state] { return state.cancelled.load(); });
  }

  void run(PartialFile& partial) {
    had_earlier_bytes_ = partial.size() > 0;
    count(partial.size());
    partial.hash_into(hash_);
    while (!state_.cancelled) {
      if (partial.size() < file_.bytes) fetch(partial);
      if (partial.size() == file_.bytes && check(partial)) return;
    }
  }

  void count(uint64_t bytes) {
    state_.bytes += static_cast<int64_t>(bytes) - static_cast<int64_t>(counted_);
    counted_ = bytes;
  }

 private:
  void restart(PartialFile& partial) {
    partial.truncate();
    hash_.reset();
    count(0);
    had_earlier_bytes_ = false;
  }

  // One answer's worth of bytes.
  void fetch(PartialFile& partial) {
    const uint64_t begin = partial.size();
    std::optional<Error> bad;
    std::exception_ptr broken;
    uint64_t got = 0;
    const HttpReply reply = client_.get(
        retry_,
        {.range_begin = begin},
        file_,
        [&](const HttpReply& head, std::span<const std::byte> bytes) {
          try {
            if (got == 0) {
              bad = judge(head, partial.size());
              if (!bad && head.status == 200 && partial.size() > 0) restart(partial);
            }
            got += bytes.size();
            state_.fetched += bytes.size();
            if (!bad && partial.size() + bytes.size() > file_.bytes) bad = wrong_size(head, "more");
            if (bad) return false;
            partial.append(bytes);
            hash_.add(bytes);
            count(partial.size());
            return true;
          } catch (...) {
            broken = std::current_exception();  // libcurl is C: nothing may be thrown through it
            return false;
          }
        });
    if (broken) std::rethrow_exception(broken);
    if (reply.status == 416) bad = wrong_size(reply, "fewer");
    if (bad) {
      retry_.after_bad_content(*bad);
      return;
    }
    if (got >= kProgress) retry_.progressed();
    if (partial.size() < file_.bytes && !state_.cancelled) retry_.after(reply);
  }

  std::optional<Error> judge(const HttpReply& head, uint64_t begin) const {
    const bool whole = head.status == 200;
    const auto told = whole ? head.content_length : head.range_total;
    if (told && *told != file_.bytes) return wrong_size(head, std::to_string(*told));
    if (!whole && head.range_begin != begin)
      return Error(
          ExitCode::kRequest,
          fmt::format("{}: {} sends other bytes than it was asked for", file_.path, head.host));
    return std::nullopt;
  }

  Error wrong_size(const HttpReply& head, const std::string& has) const {
    return Error(ExitCode::kBadModel,
                 fmt::format("{}: {} has {} bytes of it, the file list says {}",
                             file_.path,
                             head.host,
                             has,
                             file_.bytes));
  }

  // Names the file when its bytes are the right ones; else forgets them.
  bool check(PartialFile& partial) {
    const std::string hash = hash_.hex();
    if (hash == file_.sha256) {
      partial.finish();
      return true;
    }
    const bool perhaps_stale = had_earlier_bytes_;
    restart(partial);
    if (!perhaps_stale)
      retry_.after_bad_content(
          Error(ExitCode::kBadModel,
                fmt::format("{}: {} sent bytes with SHA-256 {}, the file list says {}",
                            file_.path,
                            printable(retry_.endpoint(), 200),
                            hash,
                            file_.sha256)));
    return false;
  }

  const RemoteFile& file_;
  PullState& state_;
  RepoClient client_;
  Retry retry_;
  Sha256 hash_;
  uint64_t counted_ = 0;
  bool had_earlier_bytes_ = false;
};

}  // namespace

void download_file(const HubSettings& settings,
                   const RepoName& repo,
                   const RemoteFile& file,
                   const std::string& path,
                   PullState& state) {
  FileDownload download(settings, repo, file, state);
  PartialFile::Waiting waiting;
  waiting.longest = 4 * settings.stall_time;
  waiting.noticed = [&](uint64_t bytes) { download.count(std::min(bytes, file.bytes)); };
  waiting.cancelled = [&] { return state.cancelled.load(); };
  std::optional<PartialFile> partial = PartialFile::claim(path, file.bytes, waiting);
  if (partial) download.run(*partial);
  if (!state.cancelled) download.count(file.bytes);
}

}  // namespace shoal::hub
