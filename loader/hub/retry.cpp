#include "loader/hub/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "runtime/base/deadline.h"

namespace shoal::hub {
namespace {

using namespace std::chrono_literals;

bool may_pass(const HttpReply& reply) {
  return reply.status < 400 || reply.status == 408 || reply.status == 429 || reply.status >= 500;
}

}  // namespace

Retry::Retry(const HubSettings& settings, std::string what, std::function<bool()> cancelled)
    : settings_(settings),
      what_(std::move(what)),
      cancelled_(std::move(cancelled)),
      dropped_(settings.endpoints.size(), false) {}

std::string Retry::reason(const HttpReply& reply) const {
  const auto answer = [&](const std::string& meaning) {
    return fmt::format("{}: {} answers {}{}", what_, reply.host, reply.status, meaning);
  };
  switch (reply.status) {
    case 401:
    case 403:
      return answer(token().empty()
                        ? ": it is private, gated or does not exist; set HF_TOKEN to a token that "
                          "may read it"
                        : ": the token in HF_TOKEN may not read it");
    case 404:
      return answer(": there is no such repository, revision or file");
    case 429:
      return answer(reply.retry_after ? fmt::format(": too many requests, come again in {} s",
                                                    reply.retry_after->count())
                                      : ": too many requests");
    default:
      break;
  }
  if (reply.status >= 400) return answer("");
  return fmt::format("{}: {}: {}",
                     what_,
                     reply.host,
                     reply.trouble.empty() ? fmt::format("answers {} without a body", reply.status)
                                           : reply.trouble);
}

void Retry::after(const HttpReply& reply) {
  const Error error(ExitCode::kRequest, reason(reply));
  if (!may_pass(reply)) {
    drop_endpoint(error);
    return;
  }
  const std::chrono::milliseconds asked = reply.retry_after.value_or(0s);
  if (asked > settings_.max_pause) throw error;
  const bool round = move_on();
  if (round && ++tries_ >= settings_.max_tries) throw error;
  if (round)
    pause(std::max<std::chrono::milliseconds>(
        asked, std::min<std::chrono::milliseconds>(500ms * (1 << tries_), 8000ms)));
}

void Retry::after_bad_content(const Error& error) { drop_endpoint(error); }

void Retry::drop_endpoint(const Error& error) {
  if (!first_refusal_) first_refusal_ = error;
  dropped_[current_] = true;
  if (std::find(dropped_.begin(), dropped_.end(), false) == dropped_.end()) throw *first_refusal_;
  move_on();
}

bool Retry::move_on() {
  const size_t before = current_;
  do {
    current_ = (current_ + 1) % dropped_.size();
  } while (dropped_[current_]);
  return current_ <= before;
}

void Retry::pause(std::chrono::milliseconds time) const {
  const Deadline end = Deadline::after(time);
  while (!end.passed() && !(cancelled_ && cancelled_()))
    std::this_thread::sleep_for(std::min<std::chrono::milliseconds>(time, 50ms));
}

}  // namespace shoal::hub
