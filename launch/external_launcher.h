// No launcher: says on stderr how to start the workers, and waits for them to come and go. Token
// and credentials lie in files that only this user can read.
#pragma once
#include "launch/launcher.h"

namespace shoal::launch {

class ExternalLauncher final : public Launcher {
 public:
  // folder: where the secrets' files go; it must outlive the launcher.
  ExternalLauncher(WorkerContact contact, std::string worker, const std::string& folder);

  void start(plan::Epoch epoch, int world_size) override;
  std::optional<Ended> poll() override { return std::nullopt; }
  void stop(std::chrono::milliseconds) override {}
  void kill() override {}

 private:
  WorkerContact contact_;
  std::string worker_, token_path_, credentials_path_;
};

}  // namespace shoal::launch
