// HTTP GET over libcurl: one connection that is kept open between requests. Redirects are followed
// here and not by libcurl, so that the token is seen to go to no other origin (scheme, host, port)
// and https never turns into http. One thread at a time; init_http() comes first, on the main
// thread, before others exist.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace shoal::hub {

void init_http();

struct HttpUrl {
  std::string scheme, host, port;  // the port is never empty
  bool operator==(const HttpUrl&) const = default;
};
// Empty for what is no http(s) URL.
std::optional<HttpUrl> parse_origin(const std::string& url);
bool is_loopback(const HttpUrl& url);

struct HttpRequest {
  std::string url;
  std::string token;         // sent to the URL's own origin alone; empty: none
  uint64_t range_begin = 0;  // both 0: the whole
  uint64_t range_end = 0;    // exclusive; 0: to the end
};

struct HttpReply {
  long status = 0;      // 0: no answer came; then `trouble` says why
  std::string trouble;  // a connection that failed or broke, in libcurl's words; empty: all well
  std::string host;     // that answered, after redirects
  std::string link;     // the Link header
  std::optional<std::chrono::seconds> retry_after;
  // Of a 206: the first byte that came and the whole's size.
  std::optional<uint64_t> range_begin, range_total;
  std::optional<uint64_t> content_length;
};

// Takes bytes of a body with status 200 or 206; false ends the transfer.
using BodySink = std::function<bool(const HttpReply& head, std::span<const std::byte> bytes)>;

class HttpConnection {
 public:
  struct Limits {
    std::string authorities_path;
    std::chrono::seconds stall_time{30};
  };
  explicit HttpConnection(const Limits& limits);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // `cancelled` is asked several times a second. Never throws for what the network does.
  HttpReply get(const HttpRequest& request,
                const BodySink& sink,
                const std::function<bool()>& cancelled = {});

 private:
  struct Transfer;
  HttpReply get_once(const HttpRequest& request, Transfer& transfer);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoal::hub
