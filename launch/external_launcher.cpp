#include "launch/external_launcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

void write_secret(const std::string& path, const std::string& secret) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) throw_errno(ExitCode::kStartup, "open " + path);
  const bool written =
      write(file, secret.data(), secret.size()) == static_cast<ssize_t>(secret.size());
  close(file);
  if (!written) throw_errno(ExitCode::kStartup, "write " + path);
}

}  // namespace

ExternalLauncher::ExternalLauncher(WorkerContact contact,
                                   std::string worker,
                                   const std::string& folder)
    : contact_(std::move(contact)),
      worker_(std::move(worker)),
      token_path_(folder + "/job_token"),
      credentials_path_(folder + "/job_credentials") {
  write_secret(token_path_, contact_.job_token);
  write_secret(credentials_path_, contact_.credentials);
}

void ExternalLauncher::start(plan::Epoch epoch, int world_size) {
  fmt::print(stderr,
             "waiting for {} workers of epoch {}; start them with\n"
             "  export SHOAL_COORDINATOR={} SHOAL_EPOCH={} SHOAL_JOB_TOKEN=$(cat {})\n"
             "  export SHOAL_JOB_CREDENTIALS=$(cat {})\n"
             "  mpirun -np {} --bind-to none --enable-recovery -x SHOAL_COORDINATOR -x SHOAL_EPOCH "
             "-x SHOAL_JOB_TOKEN -x SHOAL_JOB_CREDENTIALS {}\n",
             world_size,
             epoch,
             contact_.coordinator,
             epoch,
             token_path_,
             credentials_path_,
             world_size,
             worker_);
}

}  // namespace shoal::launch
