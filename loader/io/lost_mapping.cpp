#include "loader/io/lost_mapping.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>

#include "loader/format/bad_file.h"
#include "runtime/base/error.h"

namespace shoal::loader {
namespace {

// The handler reads these; nothing it does may take a lock or memory.
struct Mapping {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::array<char, 512> path{};
};
std::array<Mapping, 1024> mappings;
std::mutex registering;

// What the handler tells the thread that waits.
struct Loss {
  int mapping;
  uint64_t byte;
};
int pipe_ends[2] = {-1, -1};

constexpr int kBadModel = static_cast<int>(ExitCode::kBadModel);
constexpr char kLastWords[] = "error: a model file became shorter while it was in use\n";

void stand_still(time_t seconds) {
  timespec left{seconds, 0};
  while (::nanosleep(&left, &left) != 0) {
  }
}

extern "C" void on_bus_error(int /*signal*/, siginfo_t* info, void* /*machine*/) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (size_t i = 0; i < mappings.size(); ++i) {
    const uintptr_t begin = mappings[i].begin;
    if (begin == 0 || address < begin || address >= mappings[i].end) continue;
    const Loss loss{static_cast<int>(i), address - begin};
    if (::write(pipe_ends[1], &loss, sizeof loss) == sizeof loss) stand_still(3);
    // The thread that should have left did not.
    [[maybe_unused]] const auto said = ::write(STDERR_FILENO, kLastWords, sizeof kLastWords - 1);
    ::_exit(kBadModel);
  }
  std::signal(SIGBUS, SIG_DFL);  // the instruction runs again, and this time it kills
}

std::string message_of(const Loss& loss) {
  try {
    refuse(90,
           {mappings[static_cast<size_t>(loss.mapping)].path.data(), loss.byte},
           "file changed while loaded: it is shorter than it was; restart this rank");
  } catch (const ModelFileError& error) {
    return error.what();
  }
}

}  // namespace

void watch_mappings(std::function<void(const std::string& message)> leave) {
  if (::pipe(pipe_ends) != 0) throw_errno(ExitCode::kUnexpected, "pipe");
  // Signals are for the threads that wait for them.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([leave = std::move(leave)] {
    Loss loss{};
    if (::read(pipe_ends[0], &loss, sizeof loss) != sizeof loss) return;
    leave(message_of(loss));
    ::_exit(kBadModel);
  }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGBUS, &action, nullptr) != 0) throw_errno(ExitCode::kUnexpected, "sigaction");
}

void remember_mapping(std::span<const std::byte> bytes, const std::string& path) {
  const std::lock_guard lock(registering);
  for (Mapping& mapping : mappings) {
    if (mapping.begin != 0) continue;
    // The name's end is what tells shards apart.
    const size_t skipped = path.size() - std::min(path.size(), mapping.path.size() - 1);
    std::memcpy(mapping.path.data(), path.c_str() + skipped, path.size() - skipped + 1);
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
    mapping.end = begin + bytes.size();
    mapping.begin = begin;
    return;
  }
}

void forget_mapping(std::span<const std::byte> bytes) {
  const std::lock_guard lock(registering);
  for (Mapping& mapping : mappings)
    if (mapping.begin == reinterpret_cast<uintptr_t>(bytes.data())) mapping.begin = 0;
}

}  // namespace shoal::loader
