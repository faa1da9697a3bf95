// A file of the cache while it is fetched: NAME.partial beside NAME, held under a lock, so that of
// several processes one writes and the others wait. NAME appears only by finish(), with all bytes
// on disk; whoever sees NAME may take it for whole. The lock ends with its process, however that
// dies. One thread an object.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "loader/hub/sha256.h"

namespace shoal::hub {

// NAME is there with exactly that many bytes.
bool is_whole(const std::string& path, uint64_t bytes);

class PartialFile {
 public:
  struct Waiting {
    std::chrono::seconds longest{120};            // without growth of the file
    std::function<void(uint64_t bytes)> noticed;  // now and then, with the file's size
    std::function<bool()> cancelled;
  };
  // Empty when NAME turned out whole, perhaps by another process while we waited, or when
  // cancelled. Throws Error: kStartup when its holder stands still, kUsage or kDoesNotFit for the
  // disk.
  static std::optional<PartialFile> claim(const std::string& path,
                                          uint64_t bytes,
                                          const Waiting& waiting);
  ~PartialFile();
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;

  uint64_t size() const { return size_; }
  void hash_into(Sha256& hash) const;             // what is there already
  void append(std::span<const std::byte> bytes);  // throws Error: kDoesNotFit, kUsage
  void truncate();                                // to nothing
  void finish();                                  // to disk, then to its name

 private:
  PartialFile(std::string path, uint64_t wanted) : path_(std::move(path)), wanted_(wanted) {}
  bool open_and_lock(const Waiting& waiting);  // false: NAME is whole, or cancelled
  bool still_named() const;
  void close() noexcept;
  [[noreturn]] void fail(const char* what) const;

  std::string path_;  // of NAME
  uint64_t wanted_ = 0, size_ = 0;
  int fd_ = -1;
};

// Creates the folder and those above it, mode 0755. Throws Error (kUsage).
void make_folders(const std::string& path);
// Writes a small file as a whole or not at all.
void write_whole_file(const std::string& path, const std::string& text);

}  // namespace shoal::hub
