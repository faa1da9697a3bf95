// What one side of the control link proves itself with: the job's authority, a certificate that it
// signed and that certificate's key, as PEM. A worker gets its own in its environment, as one line.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace shoal::control {

struct LinkCredentials {
  std::string authority, certificate, key;
  bool operator==(const LinkCredentials&) const = default;

  // The three PEM bodies with ':' between them; holds the key, so it is a secret.
  std::string to_line() const;
  // Empty when the line is not of that form. Whether the bodies are certificates shows in use.
  static std::optional<LinkCredentials> from_line(std::string_view line);
};

}  // namespace shoal::control
