// An HTTP/1.1 client of a few lines, for tests that care about bytes: one request, or raw text, on
// a connection of its own to 127.0.0.1.
#pragma once
#include <string>

namespace shoal::http {

struct PlainReply {
  int status = 0;
  std::string head, body;                             // body without chunk sizes
  std::string header(const std::string& name) const;  // "" when absent
};

class PlainConnection {
 public:
  explicit PlainConnection(int port);
  ~PlainConnection() { close(); }
  PlainConnection(const PlainConnection&) = delete;
  PlainConnection& operator=(const PlainConnection&) = delete;

  void send(const std::string& bytes);
  std::string read_some();  // "" at the end, or after 10 s without bytes
  // Until `text` was read, or the end.
  std::string read_until(const std::string& text);
  std::string read_all();
  void close();

 private:
  int fd_;
};

PlainReply parse_reply(const std::string& bytes);
PlainReply get(int port, const std::string& path, const std::string& more_headers = "");
PlainReply post(int port,
                const std::string& path,
                const std::string& body,
                const std::string& more_headers = "");
std::string post_text(const std::string& path,
                      const std::string& body,
                      const std::string& more_headers = "");

}  // namespace shoal::http
