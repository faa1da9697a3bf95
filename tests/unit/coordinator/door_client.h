// What door tests need of a client: an address in a folder of its own, and calls by method name
// for the services whose protos must not be linked twice (health, reflection).
#pragma once
#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <string>

namespace shoal::coordinator {

class SocketFolder {
 public:
  SocketFolder() {
    // The last user of the library to go may wait 10 s for a poller of its own: nobody is the last.
    static const bool held = (grpc_init(), true);
    (void)held;
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal_doors_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~SocketFolder() { std::filesystem::remove_all(path_); }
  std::string address(const std::string& name = "s") const { return "unix:" + path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::shared_ptr<grpc::Channel> channel_to(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

struct RawReply {
  grpc::Status status;
  std::string bytes;
};

inline RawReply raw_call(const std::shared_ptr<grpc::Channel>& channel,
                         const std::string& method,
                         const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer in(&slice, 1);
  grpc::ByteBuffer out;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&call, method, {}, &in, &out, [&](grpc::Status status) {
    done.set_value(std::move(status));
  });
  RawReply reply{done.get_future().get(), ""};
  std::vector<grpc::Slice> slices;
  if (out.Valid() && out.Dump(&slices).ok()) {
    for (const auto& part : slices) {
      reply.bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  return reply;
}

}  // namespace shoal::coordinator
