#include "runtime/control/grpc/grpc_plan_source.h"

#include <grpcpp/grpcpp.h>

#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "shoal/control/v1/control.grpc.pb.h"

namespace shoal::control {
namespace {

namespace wire = ::shoal::control::v1;

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
  LinkQueues queues;
  std::thread reader, writer;

  void read_all() {
    wire::Frame frame;
    while (stream->Read(&frame)) {
      auto order = decode_to_worker(std::as_bytes(std::span(frame.payload())));
      if (!order) {
        log::error("undecodable frame of {} bytes from the coordinator", frame.payload().size());
        call.TryCancel();
        break;
      }
      if (!queues.enqueue(std::move(*order))) call.TryCancel();
    }
    queues.close();
  }

  void write_all() {
    wire::Frame frame;
    while (const auto bytes = queues.next_report()) {
      frame.set_payload(bytes->data(), bytes->size());
      if (!stream->Write(frame)) return queues.writing_failed();
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
  return link_->queues.next(deadline);
}

void GrpcPlanSource::report(ToCoordinator message) {
  if (!link_->queues.report(message)) link_->call.TryCancel();
}

void GrpcPlanSource::set_last_step(plan::StepId step) { link_->queues.set_last_step(step); }

bool GrpcPlanSource::close(Deadline deadline) { return link_->queues.finish(deadline); }

}  // namespace shoal::control
