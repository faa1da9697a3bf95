// Who gets as far as the control door on a TCP address: not callers without the job's certificate,
// not workers of other jobs, not bytes that were recorded.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "runtime/base/error.h"
#include "runtime/control/grpc/grpc_plan_source.h"
#include "runtime/coordinator/access/job_certificates.h"
#include "runtime/coordinator/grpc_control_door.h"
#include "tests/unit/coordinator/door_client.h"
#include "tests/unit/coordinator/recorded_events.h"

namespace shoal::coordinator {
namespace {

using access::JobCertificates;
using access::make_job_certificates;
using control::GrpcPlanSource;
using control::LinkCredentials;

constexpr const char* kAttach = "/shoal.control.v1.ControlService/Attach";
constexpr auto kRefusal = std::chrono::milliseconds(700);  // how long a refused caller tries

control::Hello hello(int rank) {
  return {.job_token = "secret", .epoch = 1, .rank = rank, .world_size = 2, .build = "test"};
}

// A plain TCP connection to an address like "127.0.0.1:50051".
class RawConnection {
 public:
  explicit RawConnection(const std::string& address) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    const size_t colon = address.rfind(':');
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    const timeval patience{5, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  explicit RawConnection(int accepted) : socket_(accepted) {}
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send_all(const std::string& bytes) const {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t sent = send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return;  // cut off: as it should be
      at += static_cast<size_t>(sent);
    }
  }
  // What comes until the peer closes (or nothing does for five seconds).
  std::string receive_some() const {
    std::string bytes(1 << 16, '\0');
    const ssize_t size = recv(socket_, bytes.data(), bytes.size(), 0);
    bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return bytes;
  }
  void receive_all() const {
    while (!receive_some().empty()) {
    }
  }
  void shut() const { shutdown(socket_, SHUT_RDWR); }

 private:
  int socket_;
};

// Sits between a worker and the door, and keeps what the worker sends.
class Recorder {
 public:
  explicit Recorder(std::string door)
      : door_(std::move(door)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&here), size), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(here.sin_port));
    thread_ = std::thread([this] { relay(); });
  }
  ~Recorder() { close(listener_); }

  const std::string& address() const { return address_; }
  // Once the worker has closed its end.
  std::string take() {
    thread_.join();
    return recorded_;
  }

 private:
  void relay() {
    const RawConnection worker(accept(listener_, nullptr, nullptr)), door(door_);
    std::thread back([&] {
      for (std::string bytes; !(bytes = door.receive_some()).empty();) worker.send_all(bytes);
      worker.shut();
    });
    for (std::string bytes; !(bytes = worker.receive_some()).empty();) {
      recorded_ += bytes;
      door.send_all(bytes);
    }
    door.shut();
    back.join();
  }

  std::string door_, address_, recorded_;
  int listener_;
  std::thread thread_;
};

class ControlLinkAccessTest : public testing::Test {
 protected:
  // Whether a rank with these credentials gets its Hello through.
  bool joins(const LinkCredentials& credentials, const std::string& address) {
    try {
      GrpcPlanSource source(address, credentials, Deadline::after(kRefusal));
      source.report(hello(0));
      return source.close(Deadline::after(kPatience));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kStartup);
      return false;
    }
  }
  void expect_only_workers_join() {
    EXPECT_EQ(events_.num_messages(), 0u);
    EXPECT_TRUE(joins(job_.worker, door_.address()));
  }

  const JobCertificates job_ = make_job_certificates({"127.0.0.1"});
  RecordedEvents events_;
  GrpcControlDoor door_{"127.0.0.1:0", job_.coordinator, events_};
};

TEST_F(ControlLinkAccessTest, RawBytesReachNobody) {
  const std::string preface =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9);
  std::string noise;
  for (int i = 0; i < 4096; ++i) noise += static_cast<char>(i * 37 + 11);
  for (const std::string& bytes :
       {std::string("x"), preface, noise, std::string(1 << 16, '\x16')}) {
    const RawConnection caller(door_.address());
    caller.send_all(bytes);
    if (bytes.size() > 1) caller.receive_all();
  }
  const auto reply = raw_call(channel_to(door_.address()), kAttach, "");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  expect_only_workers_join();
}

TEST_F(ControlLinkAccessTest, NoCertificateIsRefused) {
  EXPECT_FALSE(joins({job_.worker.authority, "", ""}, door_.address()));
  expect_only_workers_join();
}

TEST_F(ControlLinkAccessTest, ACertificateOfAnotherJobIsRefused) {
  const JobCertificates other = make_job_certificates({"127.0.0.1"});
  EXPECT_FALSE(joins(other.worker, door_.address()));
  // It knows whom to trust, but is not trusted itself.
  EXPECT_FALSE(
      joins({job_.worker.authority, other.worker.certificate, other.worker.key}, door_.address()));
  // A certificate without its key proves nothing.
  EXPECT_FALSE(
      joins({job_.worker.authority, job_.worker.certificate, other.worker.key}, door_.address()));
  expect_only_workers_join();
}

TEST_F(ControlLinkAccessTest, NeitherSideCanStandForTheOther) {
  EXPECT_FALSE(joins(job_.coordinator, door_.address()));
  RecordedEvents heard;
  GrpcControlDoor pretender("127.0.0.1:0", job_.worker, heard);
  EXPECT_FALSE(joins(job_.worker, pretender.address()));
  const JobCertificates elsewhere = make_job_certificates({"127.0.0.2", "elsewhere"});
  GrpcControlDoor misplaced("127.0.0.1:0", elsewhere.coordinator, heard);
  EXPECT_FALSE(joins(elsewhere.worker, misplaced.address()));
  EXPECT_EQ(heard.num_messages(), 0u);
  expect_only_workers_join();
}

TEST_F(ControlLinkAccessTest, ARecordedHelloIsWorthNothing) {
  Recorder recorder(door_.address());
  EXPECT_TRUE(joins(job_.worker, recorder.address()));
  ASSERT_TRUE(events_.nth<control::Hello>(0));
  const std::string recorded = recorder.take();
  EXPECT_GT(recorded.size(), 1000u);  // a handshake with a certificate at least
  EXPECT_EQ(recorded.find("secret"), std::string::npos);
  const size_t heard = events_.num_messages();
  for (int time = 0; time < 3; ++time) {
    const RawConnection caller(door_.address());
    caller.send_all(recorded);
    caller.receive_all();
  }
  EXPECT_EQ(events_.num_messages(), heard);
  EXPECT_TRUE(joins(job_.worker, door_.address()));
}

}  // namespace
}  // namespace shoal::coordinator
