// What to do after an answer that did not bring the bytes: wait and ask again, ask the next
// endpoint, or give up with one line. One object a download; one thread.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "loader/hub/http_connection.h"
#include "loader/hub/hub_settings.h"
#include "runtime/base/error.h"

namespace shoal::hub {

class Retry {
 public:
  // `what` is asked for, as messages name it.
  Retry(const HubSettings& settings, std::string what, std::function<bool()> cancelled);

  const std::string& endpoint() const { return settings_.endpoints[current_]; }
  // The token where it may go; empty for a mirror.
  std::string token() const { return current_ == 0 ? settings_.token : ""; }

  // Enough bytes came that the server deserves its full number of tries again.
  void progressed() { tries_ = 0; }
  // Sleeps, perhaps, and moves on; throws Error (request) when there is nothing left to try.
  void after(const HttpReply& reply);
  // This endpoint is not asked again; throws `error` when it was the last.
  void after_bad_content(const Error& error);

 private:
  std::string reason(const HttpReply& reply) const;
  void drop_endpoint(const Error& error);
  bool move_on();  // true when every endpoint was asked in this round
  void pause(std::chrono::milliseconds time) const;

  const HubSettings& settings_;
  std::string what_;
  std::function<bool()> cancelled_;
  std::vector<bool> dropped_;
  std::optional<Error> first_refusal_;
  size_t current_ = 0;
  int tries_ = 0;
};

}  // namespace shoal::hub
