#include "loader/hub/repo_client.h"

#include <fmt/format.h>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {
namespace {

constexpr size_t kMaxListing = size_t{64} << 20;
constexpr int kMaxPages = 200;

// The target of `<URL>; rel="next"`, or nothing.
std::string next_page(const std::string& link) {
  const size_t rel = link.find("rel=\"next\"");
  if (rel == std::string::npos) return "";
  const size_t begin = link.rfind('<', rel);
  const size_t end = link.find('>', begin == std::string::npos ? rel : begin);
  if (begin == std::string::npos || end == std::string::npos || end > rel) return "";
  return link.substr(begin + 1, end - begin - 1);
}

}  // namespace

RepoClient::RepoClient(const HubSettings& settings, const RepoName& repo)
    : settings_(settings),
      repo_(repo),
      connection_({settings.authorities_path, settings.stall_time}) {}

std::vector<RemoteFile> RepoClient::list_from(const Retry& retry, HttpReply& trouble) {
  const auto home = parse_origin(retry.endpoint());
  std::string url = fmt::format(
      "{}/api/models/{}/tree/{}?recursive=1", retry.endpoint(), repo_.id(), repo_.revision);
  std::vector<RemoteFile> files;
  for (int page = 0; page < kMaxPages && !url.empty(); ++page) {
    std::string body;
    const HttpReply reply = connection_.get(
        {.url = url, .token = retry.token()},
        [&](const HttpReply&, std::span<const std::byte> bytes) {
          body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return body.size() <= kMaxListing;
        },
        cancelled_);
    if (body.size() > kMaxListing)
      throw Error(ExitCode::kBadModel,
                  fmt::format("the file list that {} sent is longer than 64 MiB", reply.host));
    if (!reply.trouble.empty() || reply.status != 200) {
      trouble = reply;
      return {};
    }
    for (RemoteFile& file : parse_listing(body, reply.host)) files.push_back(std::move(file));
    url = next_page(reply.link);
    if (!url.empty() && parse_origin(url) != home)
      throw Error(ExitCode::kBadModel,
                  fmt::format("the file list that {} sent goes on at {}, another server",
                              reply.host,
                              printable(url, 200)));
  }
  return files;
}

std::vector<RemoteFile> RepoClient::list() {
  Retry retry(settings_, repo_.id(), cancelled_);
  while (true) {
    HttpReply trouble;
    std::vector<RemoteFile> files = list_from(retry, trouble);
    if (trouble.host.empty()) return files;
    retry.after(trouble);
  }
}

HttpReply RepoClient::get(const Retry& retry,
                          const HttpRequest& range,
                          const RemoteFile& file,
                          const BodySink& sink) {
  HttpRequest request = range;
  request.url =
      fmt::format("{}/{}/resolve/{}/{}", retry.endpoint(), repo_.id(), repo_.revision, file.path);
  request.token = retry.token();
  return connection_.get(request, sink, cancelled_);
}

std::string RepoClient::read_start(const RemoteFile& file, uint64_t count) {
  Retry retry(settings_, file.path, cancelled_);
  while (true) {
    std::string start;
    const HttpReply reply =
        get(retry, {.range_end = count}, file, [&](const HttpReply&, std::span<const std::byte> b) {
          start.append(reinterpret_cast<const char*>(b.data()), b.size());
          return start.size() < count;  // a server that knows no ranges sends all
        });
    start.resize(std::min<size_t>(start.size(), count));
    if (start.size() == std::min(count, file.bytes)) return start;
    retry.after(reply);
  }
}

}  // namespace shoal::hub
