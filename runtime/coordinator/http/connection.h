// One accepted connection, plain or TLS, as the library's Stream: every wait has a deadline, a
// request's bytes are counted, and the socket can be watched for a client that leaves. The library
// has no bound on headers, on chunked bodies or on the time that a slow client takes. One thread.
#pragma once
#include <httplib.h>

#include <chrono>
#include <memory>
#include <string>

#include "runtime/base/deadline.h"

namespace shoal::http {

class Connection final : public httplib::Stream {
 public:
  // Takes the socket over. tls: null for plain text; else the server's context, used once.
  Connection(int socket, SSL_CTX* tls);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool handshake(Deadline deadline);  // true at once without TLS
  // Bytes of a request are there, before the deadline and before `stopping` says so.
  bool wait_readable(Deadline deadline, const std::atomic<bool>& stopping);
  // What may be read from now on: `bytes` until `deadline`.
  void allow(size_t bytes, Deadline deadline);
  bool client_gone() const;
  std::string remote() const;

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  bool wait(short events, Deadline deadline) const;
  // After a TLS call that gave `result`: true when it may be tried again.
  bool wait_for_tls(int result, Deadline deadline);

  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  int socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool tls_ready_ = false;
  size_t allowed_bytes_ = 0;
  Deadline read_deadline_ = Deadline::never();
};

}  // namespace shoal::http
