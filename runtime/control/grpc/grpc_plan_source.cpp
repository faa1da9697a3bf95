#include "runtime/control/grpc/grpc_plan_source.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "shoal/control/v1/control.grpc.pb.h"

namespace shoal::control {
namespace {

namespace wire = ::shoal::control::v1;

constexpr size_t kMaxQueuedReportBytes = size_t{256} << 20;
constexpr size_t kMaxQueuedOrders = 4096;
constexpr const char* kClosed = "the coordinator closed the link";

std::shared_ptr<grpc::Channel> connect(const std::string& address,
                                       const LinkCredentials& credentials,
                                       Deadline deadline) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxFrameBytes);
  arguments.SetMaxSendMessageSize(kMaxFrameBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  const auto proof =
      grpc::SslCredentials({credentials.authority, credentials.key, credentials.certificate});
  auto channel = grpc::CreateCustomChannel(address, proof, arguments);
  // "never" would overflow the system clock.
  const auto patience =
      std::min<std::chrono::nanoseconds>(deadline.remaining(), std::chrono::hours(24));
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + patience)) {
    throw Error(ExitCode::kStartup,
                fmt::format("cannot reach this job's coordinator at {}", printable(address, 120)));
  }
  return channel;
}

}  // namespace

struct GrpcPlanSource::Link {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<wire::ControlService::Stub> stub;
  grpc::ClientContext call;
  std::unique_ptr<grpc::ClientReaderWriter<wire::Frame, wire::Frame>> stream;

  std::mutex mutex;
  std::condition_variable orders_changed, reports_changed, ended;
  std::deque<ToWorker> orders;
  std::deque<std::vector<std::byte>> reports;
  size_t report_bytes = 0;         // queued
  bool closed = false;             // nothing more comes
  bool stopping = false;           // no report follows the queued ones
  bool write_failed = false;       // the reader soon sees why
  std::optional<Heartbeat> pulse;  // after the Hello
  Deadline::Clock::time_point next_beat;

  std::thread reader, writer;

  void close() {
    {
      std::lock_guard lock(mutex);
      closed = true;
    }
    orders_changed.notify_all();
    reports_changed.notify_all();
    ended.notify_all();
  }

  void enqueue(ToWorker order) {
    {
      std::lock_guard lock(mutex);
      const bool beat = std::holds_alternative<Heartbeat>(order);
      if (beat && !orders.empty() && std::holds_alternative<Heartbeat>(orders.back())) {
        orders.back() = std::move(order);
      } else {
        orders.push_back(std::move(order));
      }
      if (orders.size() > kMaxQueuedOrders) call.TryCancel();
    }
    orders_changed.notify_one();
  }

  void read_all() {
    wire::Frame frame;
    while (stream->Read(&frame)) {
      auto order = decode_to_worker(std::as_bytes(std::span(frame.payload())));
      if (!order) {
        log::error("undecodable frame of {} bytes from the coordinator", frame.payload().size());
        call.TryCancel();
        break;
      }
      enqueue(std::move(*order));
    }
    close();
  }

  // One frame to write, or empty when the link is done.
  std::optional<std::vector<std::byte>> next_report() {
    std::unique_lock lock(mutex);
    const auto ready = [this] { return closed || stopping || !reports.empty(); };
    while (true) {
      const bool woken = reports_changed.wait_until(lock, next_beat, ready);
      if (closed || (stopping && reports.empty())) return std::nullopt;
      if (pulse && Deadline::Clock::now() >= next_beat) {
        next_beat = Deadline::Clock::now() + kHeartbeatInterval;
        return encode(ToCoordinator(*pulse));
      }
      if (woken) {
        auto bytes = std::move(reports.front());
        reports.pop_front();
        report_bytes -= bytes.size();
        return bytes;
      }
      next_beat = Deadline::Clock::now() + kHeartbeatInterval;
    }
  }

  void write_all() {
    wire::Frame frame;
    while (auto bytes = next_report()) {
      frame.set_payload(bytes->data(), bytes->size());
      const bool sent = stream->Write(frame);
      {
        std::lock_guard lock(mutex);
        write_failed = !sent;
      }
      if (!sent) return;
    }
    stream->WritesDone();
  }
};

GrpcPlanSource::GrpcPlanSource(const std::string& address,
                               const LinkCredentials& credentials,
                               Deadline connect_deadline)
    : link_(std::make_unique<Link>()) {
  link_->channel = connect(address, credentials, connect_deadline);
  link_->stub = wire::ControlService::NewStub(link_->channel);
  link_->stream = link_->stub->Attach(&link_->call);
  link_->reader = std::thread([link = link_.get()] { link->read_all(); });
  link_->writer = std::thread([link = link_.get()] { link->write_all(); });
}

GrpcPlanSource::~GrpcPlanSource() {
  close(Deadline::after(std::chrono::seconds(1)));
  // Frees a writer that is stuck on a peer that does not read.
  link_->call.TryCancel();
  link_->writer.join();
  link_->reader.join();
  link_->stream->Finish();
}

std::optional<ToWorker> GrpcPlanSource::next(Deadline deadline) {
  std::unique_lock lock(link_->mutex);
  const auto ready = [this] { return link_->closed || !link_->orders.empty(); };
  if (deadline.at() == Deadline::never().at()) {
    link_->orders_changed.wait(lock, ready);
  } else if (!link_->orders_changed.wait_until(lock, deadline.at(), ready)) {
    return std::nullopt;
  }
  if (link_->orders.empty()) return Leave{kClosed};
  ToWorker order = std::move(link_->orders.front());
  link_->orders.pop_front();
  return order;
}

void GrpcPlanSource::report(ToCoordinator message) {
  auto bytes = encode(message);
  {
    std::lock_guard lock(link_->mutex);
    if (link_->closed || link_->stopping || link_->write_failed) return;
    if (const auto* hello = std::get_if<Hello>(&message)) link_->pulse = Heartbeat{hello->epoch, 0};
    if (const auto* result = std::get_if<plan::StepResult>(&message); result && link_->pulse) {
      link_->pulse->last_step = std::max(link_->pulse->last_step, result->step_id);
    }
    link_->report_bytes += bytes.size();
    link_->reports.push_back(std::move(bytes));
    if (link_->report_bytes > kMaxQueuedReportBytes) link_->call.TryCancel();
  }
  link_->reports_changed.notify_one();
}

void GrpcPlanSource::set_last_step(plan::StepId step) {
  std::lock_guard lock(link_->mutex);
  if (link_->pulse) link_->pulse->last_step = std::max(link_->pulse->last_step, step);
}

bool GrpcPlanSource::close(Deadline deadline) {
  std::unique_lock lock(link_->mutex);
  link_->stopping = true;
  link_->reports_changed.notify_all();
  // The coordinator ends the call when it has read the last report.
  const bool ended = link_->ended.wait_until(lock, deadline.at(), [this] { return link_->closed; });
  return ended && link_->reports.empty() && !link_->write_failed;
}

}  // namespace shoal::control
