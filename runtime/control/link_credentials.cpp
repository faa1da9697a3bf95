#include "runtime/control/link_credentials.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace shoal::control {
namespace {

constexpr char kSeparator = ':';
constexpr size_t kPemLine = 64;
constexpr std::string_view kCertificate = "CERTIFICATE", kPrivateKey = "PRIVATE KEY";

std::string edge(std::string_view which, std::string_view kind) {
  return "-----" + std::string(which) + " " + std::string(kind) + "-----\n";
}

// The base64 between the first two edges of a PEM text, without line ends.
std::string body_of(const std::string& pem) {
  std::string body;
  bool inside = false;
  for (size_t at = 0; at < pem.size();) {
    const size_t end = std::min(pem.find('\n', at), pem.size());
    const std::string_view line = std::string_view(pem).substr(at, end - at);
    if (line.starts_with("-----")) {
      if (inside) break;
      inside = true;
    } else if (inside) {
      body += line;
    }
    at = end + 1;
  }
  return body;
}

std::string pem_of(std::string_view body, std::string_view kind) {
  std::string pem = edge("BEGIN", kind);
  for (size_t at = 0; at < body.size(); at += kPemLine)
    pem.append(body.substr(at, kPemLine)).push_back('\n');
  return pem + edge("END", kind);
}

bool is_base64(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
  });
}

}  // namespace

std::string LinkCredentials::to_line() const {
  return body_of(authority) + kSeparator + body_of(certificate) + kSeparator + body_of(key);
}

std::optional<LinkCredentials> LinkCredentials::from_line(std::string_view line) {
  std::array<std::string_view, 3> bodies;
  for (size_t i = 0; i < bodies.size(); ++i) {
    const size_t end = i + 1 < bodies.size() ? line.find(kSeparator) : line.size();
    if (end == line.npos) return std::nullopt;
    bodies[i] = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (!is_base64(bodies[i])) return std::nullopt;
  }
  return LinkCredentials{pem_of(bodies[0], kCertificate),
                         pem_of(bodies[1], kCertificate),
                         pem_of(bodies[2], kPrivateKey)};
}

}  // namespace shoal::control
