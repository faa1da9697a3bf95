// What a client brings along to a server that asks for it, and how it checks the server.
#pragma once
#include <string>

namespace shoal::client {

struct ClientAccess {
  std::string api_key;           // sent as "authorization: Bearer KEY"; empty: none
  bool tls = false;              // with the system's authorities
  std::string authority;         // PEM file; set: TLS with this authority alone
  std::string certificate, key;  // PEM files, for servers that ask for one
  bool uses_tls() const { return tls || !authority.empty() || !certificate.empty(); }
};

}  // namespace shoal::client
