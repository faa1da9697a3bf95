#include "loader/hub/pull.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "loader/hub/file_download.h"
#include "loader/hub/hub_cache.h"
#include "loader/hub/partial_file.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::hub {
namespace {

using namespace std::chrono_literals;

struct Wanted {
  const RemoteFile* file;
  std::string path;
};

uint64_t partial_bytes(const Wanted& wanted) {
  struct stat status {};
  if (stat((wanted.path + ".partial").c_str(), &status) != 0) return 0;
  return std::min<uint64_t>(static_cast<uint64_t>(status.st_size), wanted.file->bytes);
}

// Threads that take one file after another.
class Crew {
 public:
  Crew(const HubSettings& settings, const RepoName& repo, const std::vector<Wanted>& missing)
      : settings_(settings), repo_(repo), missing_(missing) {
    const size_t count = std::min(missing.size(), static_cast<size_t>(settings.parallel));
    running_ = count;
    for (size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Crew() {
    state_.cancelled = true;
    for (std::thread& thread : threads_) thread.join();
  }

  PullState& state() { return state_; }
  // True when all are done.
  bool wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, time, [&] { return running_ == 0; });
  }
  void throw_if_failed() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    while (const Wanted* wanted = next()) {
      try {
        download_file(settings_, repo_, *wanted->file, wanted->path, state_);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        state_.cancelled = true;
      }
    }
    const std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_all();
  }
  const Wanted* next() {
    const size_t index = next_++;
    return index < missing_.size() && !state_.cancelled ? &missing_[index] : nullptr;
  }

  const HubSettings& settings_;
  const RepoName& repo_;
  const std::vector<Wanted>& missing_;
  PullState state_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  size_t running_ = 0;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

bool set_is_whole(const HubCache& cache, const QuantSet& set) {
  return std::all_of(set.files.begin(), set.files.end(), [&](const RemoteFile& file) {
    return is_whole(cache.file_path(set, file), file.bytes);
  });
}

}  // namespace

FoundSet find_set(const HubSettings& settings, const RepoName& repo, const std::string& path) {
  const HubCache cache(settings, repo);
  FoundSet found;
  const auto use = [&](const std::vector<RemoteFile>& files) {
    found.set = choose_quant_set(repo, path, files);
    found.folder = cache.set_folder(found.set);
  };
  std::optional<std::vector<RemoteFile>> saved;
  if (settings.offline) {
    saved = cache.saved_listing();
    if (!saved)
      throw Error(ExitCode::kRequest,
                  fmt::format("{}: offline, and nothing of it is in the cache", repo.id()));
    use(*saved);
    found.from_cache = true;
    found.note = "offline: the cache's file list is used";
    return found;
  }
  init_http();
  try {
    const std::vector<RemoteFile> files = RepoClient(settings, repo).list();
    use(files);
    cache.save_listing(files);
  } catch (const Error& error) {
    // A hub that cannot be reached does not keep what is whole from being used.
    if (error.code() != ExitCode::kRequest || !(saved = cache.saved_listing())) throw;
    use(*saved);
    if (!set_is_whole(cache, found.set)) throw;
    found.from_cache = true;
    found.note = fmt::format("{}; the cache's copy is used", error.what());
  }
  return found;
}

Pulled pull(const HubSettings& settings,
            const RepoName& repo,
            const FoundSet& found,
            const std::vector<int>& wanted,
            const std::function<void(const Progress&)>& show) {
  const HubCache cache(settings, repo);
  std::vector<Wanted> missing;
  Pulled pulled;
  Progress progress;
  for (size_t i = 0; i < found.set.files.size(); ++i) {
    if (!wanted.empty() && std::count(wanted.begin(), wanted.end(), static_cast<int>(i)) == 0)
      continue;
    const RemoteFile& file = found.set.files[i];
    pulled.paths.push_back(cache.file_path(found.set, file));
    pulled.bytes += file.bytes;
    if (!is_whole(pulled.paths.back(), file.bytes)) missing.push_back({&file, pulled.paths.back()});
  }
  if (missing.empty()) return pulled;
  if (settings.offline)
    throw Error(ExitCode::kRequest,
                fmt::format("{} of {}: offline, and {} of its files are not in the cache",
                            found.set.label,
                            repo.id(),
                            missing.size()));
  make_folders(found.folder);
  uint64_t to_fetch = 0;
  for (const Wanted& file : missing) {
    progress.total += file.file->bytes;
    progress.resumed += partial_bytes(file);
  }
  to_fetch = progress.total - progress.resumed;
  cache.check_room(found.folder, to_fetch);

  init_http();
  Crew crew(settings, repo, missing);
  bool done = false;
  while (!done) {
    done = crew.wait(200ms);
    progress.bytes = static_cast<uint64_t>(std::max<int64_t>(crew.state().bytes, 0));
    show(progress);
  }
  crew.throw_if_failed();
  pulled.fetched = crew.state().fetched;
  return pulled;
}

}  // namespace shoal::hub
