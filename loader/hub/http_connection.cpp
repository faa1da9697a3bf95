#include "loader/hub/http_connection.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

constexpr int kMaxRedirects = 10;
constexpr long kConnectSeconds = 15;

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result = text;
  curl_free(text);
  return result;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

bool same_letters(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if ((a[i] >= 'A' && a[i] <= 'Z' ? a[i] + 32 : a[i]) != lower[i]) return false;
  return true;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

// "bytes 100-199/5000"
void take_content_range(HttpReply& reply, std::string_view value) {
  if (!value.starts_with("bytes ")) return;
  value.remove_prefix(6);
  const size_t dash = value.find('-');
  const size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos) return;
  reply.range_begin = number(value.substr(0, dash));
  reply.range_total = number(value.substr(slash + 1));
}

void take_header(HttpReply& reply, std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    // A status line: of an answer behind "100 Continue" or a proxy's.
    if (line.starts_with("HTTP/")) reply = {};
    return;
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_letters(name, "link")) reply.link = value;
  if (same_letters(name, "content-range")) take_content_range(reply, value);
  if (same_letters(name, "content-length")) reply.content_length = number(value);
}

}  // namespace

void init_http() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  SHOAL_ASSERT(done == CURLE_OK, "curl_global_init: {}", static_cast<int>(done));
}

std::optional<HttpUrl> parse_origin(const std::string& text) {
  CURLU* url = curl_url();
  HttpUrl result;
  if (curl_url_set(url, CURLUPART_URL, text.c_str(), 0) == CURLUE_OK)
    result = {url_part(url, CURLUPART_SCHEME),
              url_part(url, CURLUPART_HOST),
              url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  curl_url_cleanup(url);
  if (result.scheme != "http" && result.scheme != "https") return std::nullopt;
  return result;
}

bool is_loopback(const HttpUrl& url) {
  return url.host == "localhost" || url.host == "[::1]" || url.host.starts_with("127.");
}

struct HttpConnection::State {
  CURL* curl = curl_easy_init();
  ~State() { curl_easy_cleanup(curl); }
};

struct HttpConnection::Transfer {
  HttpReply reply;
  const BodySink& sink;
  const std::function<bool()>& cancelled;
  CURL* curl = nullptr;

  static size_t header(char* text, size_t, size_t count, void* self) {
    take_header(static_cast<Transfer*>(self)->reply, trimmed({text, count}));
    return count;
  }
  static size_t body(char* bytes, size_t, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
    if (transfer.reply.status != 200 && transfer.reply.status != 206) return count;
    const bool go_on = transfer.sink(transfer.reply, std::as_bytes(std::span(bytes, count)));
    return go_on ? count : 0;
  }
  static int progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& transfer = *static_cast<Transfer*>(self);
    return transfer.cancelled && transfer.cancelled() ? 1 : 0;
  }
};

HttpConnection::HttpConnection(const Limits& limits) : state_(std::make_unique<State>()) {
  CURL* curl = state_->curl;
  SHOAL_ASSERT(curl != nullptr, "curl_easy_init");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "shoal");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits.stall_time.count()));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::header);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::body);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::progress);
  if (!limits.authorities_path.empty())
    curl_easy_setopt(curl, CURLOPT_CAINFO, limits.authorities_path.c_str());
}

HttpConnection::~HttpConnection() = default;

HttpReply HttpConnection::get_once(const HttpRequest& request, Transfer& transfer) {
  CURL* curl = state_->curl;
  transfer.reply = {};
  transfer.curl = curl;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  std::string range;
  if (request.range_begin > 0 || request.range_end > 0) {
    range = fmt::format("{}-", request.range_begin);
    if (request.range_end > 0) range += std::to_string(request.range_end - 1);
  }
  curl_easy_setopt(curl, CURLOPT_RANGE, range.empty() ? nullptr : range.c_str());
  curl_slist* headers = nullptr;
  if (!request.token.empty())
    headers = curl_slist_append(headers, ("Authorization: Bearer " + request.token).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  curl_slist_free_all(headers);
  HttpReply& reply = transfer.reply;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_off_t pause = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &pause) == CURLE_OK && pause > 0)
    reply.retry_after = std::chrono::seconds(pause);
  if (code != CURLE_OK) reply.trouble = curl_easy_strerror(code);
  return reply;
}

HttpReply HttpConnection::get(const HttpRequest& request,
                              const BodySink& sink,
                              const std::function<bool()>& cancelled) {
  const std::optional<HttpUrl> home = parse_origin(request.url);
  SHOAL_ASSERT(home, "{}", request.url);
  HttpRequest hop = request;
  HttpUrl at = *home;
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    Transfer transfer{{}, sink, cancelled};
    HttpReply reply = get_once(hop, transfer);
    reply.host = at.host;
    char* target = nullptr;
    curl_easy_getinfo(state_->curl, CURLINFO_REDIRECT_URL, &target);
    if (!reply.trouble.empty() || reply.status < 300 || reply.status > 399 || target == nullptr)
      return reply;
    hop.url = target;
    const std::optional<HttpUrl> next = parse_origin(hop.url);
    if (!next || (at.scheme == "https" && next->scheme != "https")) {
      reply.trouble = "a redirect to something that is no https";
      return reply;
    }
    at = *next;
    hop.token = at == *home ? request.token : "";
  }
  return {.status = 0, .trouble = "more than 10 redirects", .host = at.host};
}

}  // namespace shoal::hub
