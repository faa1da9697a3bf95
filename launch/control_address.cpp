#include "launch/control_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

std::string text_of(const sockaddr_storage& name) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(name).sin6_addr, text, sizeof text);
  else
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(name).sin_addr, text, sizeof text);
  return text;
}

bool same_address(const sockaddr_storage& a, const addrinfo& b) {
  if (a.ss_family != b.ai_family) return false;
  sockaddr_storage other{};
  std::copy_n(
      reinterpret_cast<const char*>(b.ai_addr), b.ai_addrlen, reinterpret_cast<char*>(&other));
  return text_of(a) == text_of(other);
}

}  // namespace

std::string address_towards(const std::vector<std::string>& hosts) {
  constexpr const char* kAnyPort = "9";  // connecting a datagram socket sends nothing
  std::string own = "127.0.0.1";
  for (const std::string& host : hosts) {
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_socktype = SOCK_DGRAM;
    const int error = getaddrinfo(host.c_str(), kAnyPort, &wanted, &found);
    if (error != 0)
      throw Error(ExitCode::kUsage,
                  fmt::format("host '{}' has no address ({}); say --control-host, the address of "
                              "this machine that the hosts reach",
                              printable(host),
                              gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, freeaddrinfo);
    const int probe = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) continue;
    sockaddr_storage here{};
    socklen_t size = sizeof here;
    const bool routed = connect(probe, found->ai_addr, found->ai_addrlen) == 0 &&
                        getsockname(probe, reinterpret_cast<sockaddr*>(&here), &size) == 0;
    close(probe);
    if (!routed) continue;
    own = text_of(here);
    if (!same_address(here, *found)) return own;
  }
  return own;
}

std::string with_port(const std::string& address, int port) {
  return address.find(':') == address.npos ? fmt::format("{}:{}", address, port)
                                           : fmt::format("[{}]:{}", address, port);
}

}  // namespace shoal::launch
