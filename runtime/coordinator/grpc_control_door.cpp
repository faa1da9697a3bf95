#include "runtime/coordinator/grpc_control_door.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "runtime/base/log.h"
#include "runtime/coordinator/grpc_listener.h"
#include "shoal/control/v1/control.grpc.pb.h"

namespace shoal::coordinator {
namespace {

namespace wire = ::shoal::control::v1;

constexpr size_t kMaxQueuedBytes = size_t{64} << 20;
constexpr int kMaxFrameBytes = 64 << 20;
constexpr auto kFarewell = std::chrono::milliseconds(500);
constexpr auto kLastReactions = std::chrono::seconds(10);

// Nobody without a certificate of this job gets as far as HTTP/2.
std::shared_ptr<grpc::ServerCredentials> job_credentials(const control::LinkCredentials& ours) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ours.authority;
  options.pem_key_cert_pairs.push_back({ours.key, ours.certificate});
  return grpc::SslServerCredentials(options);
}

}  // namespace

// One rank's stream. Alive until OnDone, and as long as somebody sends to it.
class GrpcControlDoor::Link final : public grpc::ServerBidiReactor<wire::Frame, wire::Frame>,
                                    public std::enable_shared_from_this<Link> {
 public:
  Link(LinkId id, std::shared_ptr<State> door);

  void open() {
    self_ = shared_from_this();
    StartRead(&incoming_);
  }

  void send(const control::ToWorker& message) {
    auto bytes = control::encode(message);
    std::lock_guard lock(mutex_);
    if (closing_) return;
    queued_bytes_ += bytes.size();
    outgoing_.push_back(std::move(bytes));
    if (queued_bytes_ > kMaxQueuedBytes) {
      log::error("control link {}: the rank reads too slowly, {} bytes wait", id_, queued_bytes_);
      outgoing_.clear();
      end(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the rank reads too slowly"));
    }
    pump();
  }

  void close(grpc::Status status) {
    std::lock_guard lock(mutex_);
    end(std::move(status));
    pump();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      close(grpc::Status::OK);
      report_closed();
      return;
    }
    auto message = control::decode_to_coordinator(std::as_bytes(std::span(incoming_.payload())));
    if (!message) {
      log::warn("control link {}: undecodable frame of {} bytes", id_, incoming_.payload().size());
      close(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "undecodable frame"));
    } else {
      events_.on_message(id_, std::move(*message));
    }
    std::lock_guard lock(mutex_);
    if (!closing_) StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) {
      outgoing_.clear();
      end(grpc::Status::OK);
    }
    pump();
  }

  void OnCancel() override { abandon(); }

  void OnDone() override;

 private:
  void abandon() {
    std::lock_guard lock(mutex_);
    outgoing_.clear();
    end(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled"));
    pump();
  }

  // With mutex_ held. What is queued still goes out before the status.
  void end(grpc::Status status) {
    if (closing_) return;
    closing_ = true;
    status_ = std::move(status);
  }

  // With mutex_ held.
  void pump() {
    if (writing_ || finished_) return;
    if (!outgoing_.empty()) {
      const auto& bytes = outgoing_.front();
      frame_.set_payload(bytes.data(), bytes.size());
      queued_bytes_ -= bytes.size();
      outgoing_.pop_front();
      writing_ = true;
      StartWrite(&frame_);
    } else if (closing_) {
      finished_ = true;
      Finish(status_);
    }
  }

  // Reactions that get here never run at the same time: the last read, and OnDone after it.
  void report_closed() {
    if (!reported_closed_) events_.on_closed(id_);
    reported_closed_ = true;
  }

  const LinkId id_;
  RankLinkEvents& events_;
  const std::shared_ptr<State> door_;
  std::shared_ptr<Link> self_;
  wire::Frame incoming_;
  bool reported_closed_ = false;

  std::mutex mutex_;
  std::deque<std::vector<std::byte>> outgoing_;
  size_t queued_bytes_ = 0;
  wire::Frame frame_;  // being written
  bool writing_ = false, closing_ = false, finished_ = false;
  grpc::Status status_;
};

struct GrpcControlDoor::State {
  explicit State(RankLinkEvents& sink) : events(sink) {}

  std::shared_ptr<Link> find(LinkId id) {
    std::lock_guard lock(mutex);
    const auto found = links.find(id);
    return found == links.end() ? nullptr : found->second;
  }

  RankLinkEvents& events;
  std::mutex mutex;
  std::condition_variable link_gone;
  LinkId last_id = 0;
  std::map<LinkId, std::shared_ptr<Link>> links;
  bool shut = false;
};

GrpcControlDoor::Link::Link(LinkId id, std::shared_ptr<State> door)
    : id_(id), events_(door->events), door_(std::move(door)) {}

class GrpcControlDoor::Service final : public wire::ControlService::CallbackService {
 public:
  explicit Service(std::shared_ptr<State> state) : state_(std::move(state)) {}

  grpc::ServerBidiReactor<wire::Frame, wire::Frame>* Attach(grpc::CallbackServerContext*) override {
    std::shared_ptr<Link> link;
    {
      std::lock_guard lock(state_->mutex);
      const LinkId id = ++state_->last_id;
      link = std::make_shared<Link>(id, state_);
      state_->links.emplace(id, link);
    }
    link->open();
    return link.get();
  }

 private:
  const std::shared_ptr<State> state_;
};

void GrpcControlDoor::Link::OnDone() {
  report_closed();
  {
    std::lock_guard lock(door_->mutex);
    door_->links.erase(id_);
  }
  door_->link_gone.notify_all();
  self_.reset();
}

GrpcControlDoor::GrpcControlDoor(const std::string& address,
                                 const control::LinkCredentials& credentials,
                                 RankLinkEvents& events)
    : state_(std::make_shared<State>(events)), service_(std::make_unique<Service>(state_)) {
  grpc::ServerBuilder builder;
  offer_nothing_else(builder);
  builder.RegisterService(service_.get());
  builder.SetMaxReceiveMessageSize(kMaxFrameBytes);
  builder.SetMaxSendMessageSize(kMaxFrameBytes);
  listener_ = std::make_unique<Listener>(
      listen(builder, address, "another control address", job_credentials(credentials)));
}

GrpcControlDoor::~GrpcControlDoor() { shut_down(); }

const std::string& GrpcControlDoor::address() const { return listener_->address; }

void GrpcControlDoor::send(LinkId link, const control::ToWorker& message) {
  if (const auto found = state_->find(link)) found->send(message);
}

void GrpcControlDoor::close(LinkId link) {
  if (const auto found = state_->find(link)) found->close(grpc::Status::OK);
}

void GrpcControlDoor::shut_down() {
  std::vector<std::shared_ptr<Link>> open;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->shut) return;
    state_->shut = true;
    for (const auto& [id, link] : state_->links) open.push_back(link);
  }
  for (const auto& link : open) link->close(grpc::Status::OK);
  coordinator::shut_down(*listener_->server, Deadline::after(kFarewell));
  // Every call is cancelled by now, but its last reaction may still run.
  std::unique_lock lock(state_->mutex);
  if (!state_->link_gone.wait_for(lock, kLastReactions, [&] { return state_->links.empty(); })) {
    log::error("{} control links did not end", state_->links.size());
  }
}

}  // namespace shoal::coordinator
