#include "loader/hub/hub_settings.h"

#include <fmt/format.h>

#include "loader/hub/http_connection.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {

void HubSettings::validate() const {
  for (const std::string& endpoint : endpoints) {
    const auto origin = parse_origin(endpoint);
    if (!origin || endpoint.find_first_of("?#@ \t\r\n") != std::string::npos)
      throw Error(ExitCode::kUsage,
                  fmt::format("'{}' is no hub: HF_ENDPOINT and --hf-mirror take "
                              "https://HOST[:PORT][/PATH]",
                              printable(endpoint, 200)));
  }
  const auto home = parse_origin(endpoints.front());
  if (!token.empty() && home->scheme == "http" && !is_loopback(*home))
    throw Error(ExitCode::kUsage,
                fmt::format("HF_TOKEN is set and HF_ENDPOINT is {}: a token does not travel in "
                            "plain text; use https, or unset HF_TOKEN",
                            printable(endpoints.front(), 200)));
  if (token.find_first_of("\r\n") != std::string::npos)
    throw Error(ExitCode::kUsage, "HF_TOKEN holds a line end");
}

}  // namespace shoal::hub
