#include "runtime/coordinator/client/dynamic_call.h"

#include <fmt/format.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/client/server_channel.h"
#include "runtime/coordinator/client/status_text.h"
#include "shoal/v1/admin_service.pb.h"
#include "shoal/v1/cluster_service.pb.h"
#include "shoal/v1/inference_service.pb.h"
#include "shoal/v1/model_service.pb.h"
#include "shoal/v1/tokenizer_service.pb.h"

namespace shoal::client {
namespace {

namespace pb = google::protobuf;

std::vector<const pb::ServiceDescriptor*> services() {
  std::vector<const pb::ServiceDescriptor*> all;
  for (const pb::FileDescriptor* file : {v1::DrainRequest::descriptor()->file(),
                                         v1::GetClusterRequest::descriptor()->file(),
                                         v1::GenerateRequest::descriptor()->file(),
                                         v1::GetModelRequest::descriptor()->file(),
                                         v1::TokenizeRequest::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i) all.push_back(file->service(i));
  return all;
}

std::string path_of(const pb::MethodDescriptor& method) {
  return method.service()->full_name() + "/" + method.name();
}

const pb::MethodDescriptor& find_method(const std::string& name) {
  std::vector<const pb::MethodDescriptor*> found;
  for (const pb::ServiceDescriptor* service : services())
    for (int i = 0; i < service->method_count(); ++i) {
      const pb::MethodDescriptor& method = *service->method(i);
      std::string dotted = path_of(method);
      std::replace(dotted.begin(), dotted.end(), '/', '.');
      std::string wanted = name;
      std::replace(wanted.begin(), wanted.end(), '/', '.');
      if (dotted == wanted || dotted.ends_with("." + wanted)) found.push_back(&method);
    }
  if (found.size() == 1) return *found.front();
  throw Error(
      ExitCode::kUsage,
      found.empty()
          ? fmt::format("no method {}; `shoal call list` names them all", printable(name, 120))
          : fmt::format("{} is a method of two services; name one too", printable(name, 120)));
}

grpc::ByteBuffer to_buffer(const pb::Message& message) {
  const std::string bytes = message.SerializeAsString();
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string to_bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// A queue of its own for one call; every step is waited for.
class OneCall {
 public:
  bool step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  ~OneCall() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  grpc::CompletionQueue& queue() { return queue_; }

 private:
  grpc::CompletionQueue queue_;
};

}  // namespace

std::vector<std::string> callable_methods() {
  std::vector<std::string> names;
  for (const pb::ServiceDescriptor* service : services())
    for (int i = 0; i < service->method_count(); ++i) names.push_back(path_of(*service->method(i)));
  std::sort(names.begin(), names.end());
  return names;
}

std::string describe(const std::string& name) {
  const auto* pool = pb::DescriptorPool::generated_pool();
  for (const std::string& full : {name, "shoal.v1." + name}) {
    if (const auto* message = pool->FindMessageTypeByName(full)) return message->DebugString();
    if (const auto* values = pool->FindEnumTypeByName(full)) return values->DebugString();
    for (const pb::ServiceDescriptor* service : services())
      if (service->full_name() == full) return service->DebugString();
  }
  const pb::MethodDescriptor& method = find_method(name);
  return method.DebugString() + "\n" + method.input_type()->DebugString() + "\n" +
         method.output_type()->DebugString();
}

void call_method(const std::string& address,
                 const ClientAccess& access,
                 const DynamicCall& call,
                 const std::function<void(const std::string& json)>& reply) {
  const pb::MethodDescriptor& method = find_method(call.method);
  pb::DynamicMessageFactory factory;
  const std::unique_ptr<pb::Message> request(factory.GetPrototype(method.input_type())->New());
  const auto parsed = pb::util::JsonStringToMessage(call.request_json, request.get());
  if (!parsed.ok())
    throw Error(ExitCode::kUsage,
                fmt::format("the JSON does not fit {}: {}",
                            method.input_type()->name(),
                            printable(parsed.ToString(), 300)));

  grpc::GenericStub stub(open_channel(address, access, Deadline::after(std::chrono::seconds(5))));
  grpc::ClientContext context;
  const auto left =
      std::min<std::chrono::nanoseconds>(call.deadline.remaining(), std::chrono::hours(24 * 365));
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::microseconds>(left));
  OneCall one;
  const auto stream = stub.PrepareCall(&context, "/" + path_of(method), &one.queue());
  void* const tag = &one;
  stream->StartCall(tag);
  if (one.step()) {
    stream->WriteLast(to_buffer(*request), grpc::WriteOptions(), tag);
    one.step();
    pb::util::JsonPrintOptions print;
    print.preserve_proto_field_names = true;
    while (true) {
      grpc::ByteBuffer buffer;
      stream->Read(&buffer, tag);
      if (!one.step()) break;
      const std::unique_ptr<pb::Message> response(
          factory.GetPrototype(method.output_type())->New());
      std::string json;
      if (!response->ParseFromString(to_bytes(buffer)) ||
          !pb::util::MessageToJsonString(*response, &json, print).ok())
        throw Error(ExitCode::kUnexpected, "the reply is not what the protos say");
      reply(json);
    }
  }
  grpc::Status status;
  stream->Finish(&status, tag);
  one.step();
  if (!status.ok()) throw to_error(status);
}

}  // namespace shoal::client
