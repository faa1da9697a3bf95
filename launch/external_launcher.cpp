#include "launch/external_launcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/base/error.h"

namespace shoal::launch {

ExternalLauncher::ExternalLauncher(WorkerContact contact,
                                   std::string worker,
                                   const std::string& folder)
    : contact_(std::move(contact)), worker_(std::move(worker)), token_path_(folder + "/job_token") {
  const int file = open(token_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) throw_errno(ExitCode::kStartup, "open " + token_path_);
  const std::string& token = contact_.job_token;
  const bool written =
      write(file, token.data(), token.size()) == static_cast<ssize_t>(token.size());
  close(file);
  if (!written) throw_errno(ExitCode::kStartup, "write " + token_path_);
}

void ExternalLauncher::start(plan::Epoch epoch, int world_size) {
  fmt::print(stderr,
             "waiting for {} workers of epoch {}; start them with\n"
             "  export SHOAL_COORDINATOR={} SHOAL_EPOCH={} SHOAL_JOB_TOKEN=$(cat {})\n"
             "  mpirun -np {} --bind-to none --enable-recovery -x SHOAL_COORDINATOR -x SHOAL_EPOCH "
             "-x SHOAL_JOB_TOKEN {}\n",
             world_size,
             epoch,
             contact_.coordinator,
             epoch,
             token_path_,
             world_size,
             worker_);
}

}  // namespace shoal::launch
