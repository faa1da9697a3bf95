#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "launch/commands/all_commands.h"
#include "loader/io/file_sums.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr size_t kMaxShown = 20;  // of tensors that are wrong; the JSON output has them all

class Verify final : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override { return "Every byte of a model against its manifest"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Verify");
    options.add("--manifest", path_, "The manifest; default: MODEL.manifest.json beside the model");
    options.add_switch("--write", write_, "Write the manifest instead of comparing with it");
    options.add("-t,--threads", threads_, "Files read at a time; 0: one a core");
  }

  void resolve(OptionSet&) override {
    model_.validate();
    if (threads_ < 0 || threads_ > 1024)
      throw Error(ExitCode::kUsage,
                  fmt::format("--threads is {}: it must lie in 0..1024", threads_));
  }

  int run() override {
    const loader::ModelFiles files = loader::open_model(model_.local_path());
    if (files.files.empty())
      throw Error(ExitCode::kUsage, "a synthetic model has no files to verify");
    if (path_.empty()) path_ = loader::manifest_path(files);
    const auto expected = write_ ? std::nullopt : loader::read_manifest(path_);
    if (!write_ && !expected)
      throw Error(
          ExitCode::kUsage,
          fmt::format("no manifest {}: name one with --manifest, or make it from files that "
                      "are known to be good with --write",
                      printable(path_, 200)));
    const loader::ModelSums sums = loader::sum_files(files, {num_threads(), progress()});
    std::vector<std::string> faults = sums.faults;
    if (expected) {
      const auto differ = loader::differences(sums.manifest, *expected, files);
      faults.insert(faults.end(), differ.begin(), differ.end());
    }
    if (write_ && faults.empty()) loader::write_manifest(sums.manifest, path_);
    report(sums, faults);
    return faults.empty() ? 0 : static_cast<int>(ExitCode::kBadModel);
  }

 private:
  int num_threads() const {
    return threads_ > 0 ? threads_
                        : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  // A line that is written over, on a terminal only.
  std::function<void(uint64_t, uint64_t)> progress() const {
    if (::isatty(STDERR_FILENO) == 0) return {};
    return [](uint64_t done, uint64_t total) {
      fmt::print(
          stderr,
          "\r{} of {} ({:.0f} %){}",
          human_bytes(done),
          human_bytes(total),
          100.0 * static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(total, 1)),
          done == total ? "\n" : " ");
      std::fflush(stderr);
    };
  }

  void report(const loader::ModelSums& sums, const std::vector<std::string>& faults) const {
    if (!sums.zero_tensors.empty())
      log::warn("{} tensors are all zeros, '{}' the first: a file may be an unfinished download",
                sums.zero_tensors.size(),
                sums.zero_tensors.front());
    for (size_t i = 0; i < std::min(faults.size(), kMaxShown); ++i)
      fmt::print(stderr, "{}\n", faults[i]);
    if (faults.size() > kMaxShown) fmt::print(stderr, "and {} more\n", faults.size() - kMaxShown);
    uint64_t bytes = 0;
    size_t tensors = 0;
    for (const loader::FileSum& file : sums.manifest.files) {
      bytes += file.bytes;
      tensors += file.tensors.size();
    }
    if (output.json) {
      fmt::print("{}\n",
                 nlohmann::ordered_json{{"ok", faults.empty()},
                                        {"manifest", printable(path_, 4096)},
                                        {"written", write_ && faults.empty()},
                                        {"files", sums.manifest.files.size()},
                                        {"tensors", tensors},
                                        {"bytes", bytes},
                                        {"faults", faults},
                                        {"zero_tensors", sums.zero_tensors}}
                     .dump());
      return;
    }
    if (!faults.empty()) return;
    fmt::print("{}: {} files, {} tensors, {}{}\n",
               write_ ? "written" : "verified",
               sums.manifest.files.size(),
               grouped(tensors),
               human_bytes(bytes),
               write_ ? fmt::format(" -> {}", printable(path_, 4096)) : "");
  }

  ModelOptions model_;
  std::string path_;
  bool write_ = false;
  int threads_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_verify() { return std::make_unique<Verify>(); }

}  // namespace shoal::launch
