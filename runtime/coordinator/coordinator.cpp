#include "runtime/coordinator/coordinator.h"

#include "runtime/coordinator/core.h"

namespace shoal::coordinator {

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kServing:
      return "serving";
    case Phase::kRecovering:
      return "recovering";
    case Phase::kDraining:
      return "draining";
    case Phase::kStopped:
      return "stopped";
    case Phase::kFailed:
      return "failed";
  }
  return "?";
}

Coordinator::Coordinator(CoordinatorConfig config, std::shared_ptr<const ServedModel> model)
    : config_(std::move(config)),
      model_(std::move(model)),
      core_(std::make_unique<Core>(config_, *model_)) {}

Coordinator::~Coordinator() {
  {
    const std::lock_guard lock(core_->queue_mutex);
    core_->stop = true;
  }
  core_->queue_changed.notify_all();
  if (core_->thread.joinable()) core_->thread.join();
}

void Coordinator::start(RankLinks& links) {
  begin(links);
  core_->thread = std::thread([core = core_.get()] { core->loop(); });
}

void Coordinator::begin(RankLinks& links) {
  core_->links = &links;
  const std::lock_guard lock(core_->state_mutex);
  core_->start_epoch();
}

void Coordinator::turn() { core_->turn(); }

std::optional<Failure> Coordinator::submit(GenerationRequest request,
                                           std::shared_ptr<StreamSink> sink) {
  return core_->submit(std::move(request), std::move(sink));
}

bool Coordinator::cancel(const std::string& request_id) { return core_->cancel(request_id); }

ClusterStatus Coordinator::status() const { return core_->status(); }

ClearedCache Coordinator::clear_cache() { return core_->clear_cache(); }

void Coordinator::on_phase(std::function<void(Phase)> callback) {
  const std::lock_guard lock(core_->state_mutex);
  core_->phase_changed = std::move(callback);
}

std::optional<JobRequest> Coordinator::next_job(Deadline deadline) {
  return core_->next_job(deadline);
}

void Coordinator::job_ended(plan::Epoch epoch, const std::string& how) {
  core_->push(Core::JobEnded{epoch, how});
}

void Coordinator::drain(Deadline deadline) { core_->drain(deadline); }

void Coordinator::on_message(LinkId link, control::ToCoordinator message) {
  core_->push(Core::Arrived{link, std::move(message)});
}

void Coordinator::on_closed(LinkId link) { core_->push(Core::Closed{link}); }

}  // namespace shoal::coordinator
