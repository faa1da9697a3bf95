// How model files are fetched: where from, with whose name, where to. Plain values, filled once by
// launch/, then const and shared by the download threads.
#pragma once
#include <chrono>
#include <string>
#include <vector>

namespace shoal::hub {

struct HubSettings {
  // Bases of the hub's API. The first is HF_ENDPOINT; the others are mirrors, asked when it fails.
  // No trailing slash. The token goes to the first alone.
  std::vector<std::string> endpoints = {"https://huggingface.co"};
  std::string token;             // HF_TOKEN; a secret: in no message, no log, no argument
  std::string authorities_path;  // SSL_CERT_FILE: PEM; empty: the system's
  std::string cache_folder;      // absolute
  bool offline = false;          // only what the cache has
  int parallel = 4;              // files at once

  // A connection that brings nothing for this long is dropped and tried again.
  std::chrono::seconds stall_time{30};
  int max_tries = 5;  // without a MiB of progress in between
  // A server that asks for a longer pause is not waited for.
  std::chrono::seconds max_pause{120};

  // Refuses endpoints that are no http(s) URL, and a token over plain http beyond loopback. Throws
  // Error (usage).
  void validate() const;
};

}  // namespace shoal::hub
