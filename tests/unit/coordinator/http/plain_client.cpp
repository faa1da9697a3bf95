#include "tests/unit/coordinator/http/plain_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

namespace shoal::http {

PlainConnection::PlainConnection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) close();
}

void PlainConnection::send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<size_t>(n);
  }
}

std::string PlainConnection::read_some() {
  std::string buffer(4096, '\0');
  const ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
  buffer.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return buffer;
}

std::string PlainConnection::read_until(const std::string& text) {
  std::string all;
  while (all.find(text) == all.npos) {
    const std::string more = read_some();
    if (more.empty()) break;
    all += more;
  }
  return all;
}

std::string PlainConnection::read_all() {
  std::string all;
  for (std::string more; !(more = read_some()).empty();) all += more;
  return all;
}

void PlainConnection::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string PlainReply::header(const std::string& name) const {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == head.npos) return "";
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

PlainReply parse_reply(const std::string& bytes) {
  PlainReply reply;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == bytes.npos || bytes.size() < 12) return reply;
  reply.head = bytes.substr(0, end + 2);
  reply.status = std::stoi(bytes.substr(9, 3));
  std::string body = bytes.substr(end + 4);
  if (reply.header("Transfer-Encoding") != "chunked") {
    reply.body = std::move(body);
    return reply;
  }
  for (size_t at = 0; at < body.size();) {
    const size_t line = body.find("\r\n", at);
    if (line == body.npos) break;
    const size_t size = std::stoul(body.substr(at, line - at), nullptr, 16);
    if (size == 0) break;
    reply.body += body.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  return reply;
}

PlainReply get(int port, const std::string& path, const std::string& more_headers) {
  PlainConnection connection(port);
  connection.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more_headers +
                  "\r\n");
  return parse_reply(connection.read_all());
}

std::string post_text(const std::string& path,
                      const std::string& body,
                      const std::string& more_headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" + body;
}

PlainReply post(int port,
                const std::string& path,
                const std::string& body,
                const std::string& more_headers) {
  PlainConnection connection(port);
  connection.send(post_text(path, body, more_headers));
  return parse_reply(connection.read_all());
}

}  // namespace shoal::http
