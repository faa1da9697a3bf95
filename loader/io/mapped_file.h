// A model file mapped read-only. Opening reads nothing: pages come in when they are touched or
// asked for by will_need(). Move-only; the mapping and the descriptor end with the object. Any
// number of threads may read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace shoal::loader {

class MappedFile {
 public:
  // Throws ModelFileError: no such file, no permission, not a regular file.
  static MappedFile open(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // From now on faults read no more than they need. For the weights: a rank's neighbours in the
  // file belong to other ranks. (A header is read from front to back and is better off without.)
  void stop_read_ahead() const;

  // Asks the kernel to read exactly these bytes' pages ahead, without waiting.
  void will_need(uint64_t offset, uint64_t count) const;

  // Reads into owned memory instead of the mapping. Throws ModelFileError when the file ends early.
  void read_into(uint64_t offset, std::span<std::byte> out) const;

  // Bytes of the range on pages that this process has mapped, that is, that it touched. A fault
  // also maps neighbours that the page cache happens to hold in one piece (up to a huge page,
  // 2 MiB), so the figure is exact only to that at each end of what was touched. What the page
  // cache itself holds is no process's doing and is not counted. Empty where the kernel does not
  // tell.
  std::optional<uint64_t> resident_bytes(uint64_t offset, uint64_t count) const;

 private:
  MappedFile() = default;
  void close() noexcept;

  std::string path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace shoal::loader
