// Where a door's certificate, key and client authority lie. Both doors take the same; each reads
// the files again when they change, without dropping streams.
#pragma once
#include <string>

namespace shoal::access {

struct TlsFiles {
  std::string certificate, key;  // PEM
  std::string client_authority;  // PEM; set: clients must bring a certificate that it signed

  bool operator==(const TlsFiles&) const = default;
};

}  // namespace shoal::access
