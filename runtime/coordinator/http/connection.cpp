#include "runtime/coordinator/http/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace shoal::http {
namespace {

using namespace std::chrono_literals;
constexpr auto kWriteTime = 30s;
constexpr auto kStopTick = 100ms;  // how late a stop may be noticed

int poll_millis(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::clamp<std::chrono::nanoseconds>(deadline.remaining(), 0ns, 1h));
  return static_cast<int>(left.count());
}

void read_name(const sockaddr_storage& name, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    port = ntohs(v4.sin_port);
  } else if (name.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

}  // namespace

Connection::Connection(int socket, SSL_CTX* tls) : socket_(socket) {
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  if (tls != nullptr) {
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), socket_);
  }
}

Connection::~Connection() {
  if (tls_ready_) SSL_shutdown(ssl_.get());
  ssl_.reset();
  ::shutdown(socket_, SHUT_RDWR);
  close(socket_);
}

bool Connection::wait(short events, Deadline deadline) const {
  while (true) {
    pollfd waited{socket_, events, 0};
    const int found = poll(&waited, 1, poll_millis(deadline));
    if (found > 0) return (waited.revents & (events | POLLHUP | POLLERR)) != 0;
    if (found == 0 || errno != EINTR) return false;
  }
}

bool Connection::wait_for_tls(int result, Deadline deadline) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT, deadline);
    default:
      ERR_clear_error();
      return false;
  }
}

bool Connection::handshake(Deadline deadline) {
  if (!ssl_) return true;
  while (true) {
    const int result = SSL_accept(ssl_.get());
    if (result == 1) return tls_ready_ = true;
    if (!wait_for_tls(result, deadline)) return false;
  }
}

bool Connection::wait_readable(Deadline deadline, const std::atomic<bool>& stopping) {
  while (!stopping) {
    if (ssl_ && SSL_pending(ssl_.get()) > 0) return true;
    if (wait(POLLIN, std::min(deadline, Deadline::after(kStopTick)))) return true;
    if (deadline.passed()) return false;
  }
  return false;
}

void Connection::allow(size_t bytes, Deadline deadline) {
  allowed_bytes_ = bytes;
  read_deadline_ = deadline;
}

bool Connection::client_gone() const {
  pollfd watched{socket_, POLLRDHUP, 0};
  return poll(&watched, 1, 0) > 0 && watched.revents != 0;
}

bool Connection::is_readable() const {
  return (ssl_ && SSL_pending(ssl_.get()) > 0) || wait(POLLIN, read_deadline_);
}

bool Connection::is_writable() const {
  return !client_gone() && wait(POLLOUT, Deadline::after(kWriteTime));
}

ssize_t Connection::read(char* data, size_t size) {
  size = std::min({size, allowed_bytes_, size_t{1} << 20});
  if (size == 0) return -1;
  ssize_t got = -1;
  while (true) {
    if (ssl_) {
      got = SSL_read(ssl_.get(), data, static_cast<int>(size));
      if (got > 0 || !wait_for_tls(static_cast<int>(got), read_deadline_)) break;
    } else {
      got = recv(socket_, data, size, 0);
      if (got >= 0 || (errno != EAGAIN && errno != EINTR) || !wait(POLLIN, read_deadline_)) break;
    }
  }
  if (got > 0) allowed_bytes_ -= static_cast<size_t>(got);
  return got;
}

ssize_t Connection::write(const char* data, size_t size) {
  const Deadline deadline = Deadline::after(kWriteTime);
  size = std::min(size, size_t{1} << 20);
  while (true) {
    if (ssl_) {
      const int sent = SSL_write(ssl_.get(), data, static_cast<int>(size));
      if (sent > 0) return sent;
      if (!wait_for_tls(sent, deadline)) return -1;
    } else {
      const ssize_t sent = send(socket_, data, size, MSG_NOSIGNAL);
      if (sent >= 0) return sent;
      if ((errno != EAGAIN && errno != EINTR) || !wait(POLLOUT, deadline)) return -1;
    }
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (getpeername(socket_, reinterpret_cast<sockaddr*>(&name), &length) == 0)
    read_name(name, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (getsockname(socket_, reinterpret_cast<sockaddr*>(&name), &length) == 0)
    read_name(name, ip, port);
}

std::string Connection::remote() const {
  std::string ip;
  int port = 0;
  get_remote_ip_and_port(ip, port);
  return ip;
}

}  // namespace shoal::http
