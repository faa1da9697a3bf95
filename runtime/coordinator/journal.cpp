#include "runtime/coordinator/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"

namespace shoal::coordinator {

JournalFile::JournalFile(const std::string& path, bool fsync) : fsync_(fsync) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file_ < 0) throw_errno(ExitCode::kUsage, fmt::format("journal {}", printable(path, 256)));
}

JournalFile::~JournalFile() { ::close(file_); }

bool JournalFile::append(std::string_view line) {
  const ssize_t written = ::write(file_, line.data(), line.size());
  if (written >= 0 && written < static_cast<ssize_t>(line.size())) errno = ENOSPC;
  return written == static_cast<ssize_t>(line.size()) && (!fsync_ || ::fdatasync(file_) == 0);
}

void Journal::append(std::string_view line) {
  if (store_ == nullptr || store_->append(line)) return;
  log::warn("journal off, serving goes on: {}", std::strerror(errno));
  store_.reset();
}

void Journal::open_sequence(plan::SequenceId id,
                            std::string_view request_id,
                            std::span<const int32_t> prompt,
                            uint64_t seed) {
  if (!is_on()) return;
  std::string line = fmt::format("open {} {} prompt ", id, printable(request_id));
  for (const int32_t token : prompt) line += std::to_string(token) + ",";
  line.back() = ' ';
  append(line + "seed " + std::to_string(seed) + "\n");
}

void Journal::step(plan::StepId step, plan::Epoch epoch, std::span<const JournalToken> tokens) {
  if (!is_on() || tokens.empty()) return;
  std::string line = fmt::format("step {} epoch {} |", step, epoch);
  for (const JournalToken& token : tokens)
    fmt::format_to(std::back_inserter(line), " {}:{}={}", token.sequence, token.index, token.token);
  append(line + "\n");
}

void Journal::close_sequence(plan::SequenceId id, std::string_view reason) {
  if (!is_on()) return;
  append(fmt::format("close {} {}\n", id, reason));
}

}  // namespace shoal::coordinator
