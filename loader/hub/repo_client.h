// Asks a hub for a repository's file list and for ranges of its files. One thread an object.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "loader/hub/http_connection.h"
#include "loader/hub/hub_settings.h"
#include "loader/hub/repo_listing.h"
#include "loader/hub/repo_name.h"
#include "loader/hub/retry.h"

namespace shoal::hub {

class RepoClient {
 public:
  RepoClient(const HubSettings& settings, const RepoName& repo);

  // All pages. Throws Error: request when no endpoint answers, kBadModel for what is no listing.
  std::vector<RemoteFile> list();

  // One try at the endpoint that `retry` points to. `range_end` 0: to the end.
  HttpReply get(const Retry& retry,
                const HttpRequest& range,  // its url and token are filled in here
                const RemoteFile& file,
                const BodySink& sink);
  void set_cancelled(std::function<bool()> cancelled) { cancelled_ = std::move(cancelled); }

  // The first bytes of a file, without a download: its header. Throws as list() does.
  std::string read_start(const RemoteFile& file, uint64_t count);

 private:
  // Empty when a page did not come; then `trouble` is why.
  std::vector<RemoteFile> list_from(const Retry& retry, HttpReply& trouble);

  const HubSettings& settings_;
  RepoName repo_;
  HttpConnection connection_;
  std::function<bool()> cancelled_;
};

}  // namespace shoal::hub
