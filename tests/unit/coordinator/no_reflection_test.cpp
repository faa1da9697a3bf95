// A server that does not describe itself. A program of its own: gRPC's reflection is a switch of
// the whole process, which other tests turn on.
#include <gtest/gtest.h>

#include "runtime/coordinator/grpc_door.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/fake_request_door.h"

namespace shoal::coordinator {
namespace {

TEST(NoReflection, IsUnimplemented) {
  SocketFolder folder;
  FakeRequestDoor fake;
  GrpcDoor door({.address = folder.address(), .reflection = false}, fake);
  const auto reply = raw_call(channel_to(door.address()),
                              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                              "\x3a\x01*");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace shoal::coordinator
