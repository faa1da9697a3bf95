// A folder that only this user can enter, removed with all it holds when the object goes. A process
// that is killed leaves its folder; the next one that makes a folder in the same place removes it.
#pragma once
#include <string>

namespace shoal::launch {

class PrivateDirectory {
 public:
  // BASE/shoal-run-XXXXXX, mode 0700. Throws Error (start-up).
  explicit PrivateDirectory(const std::string& base);
  ~PrivateDirectory() { remove(); }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  const std::string& path() const { return path_; }
  void remove() noexcept;

  // Where sockets go: a short path, since a socket's is limited to 107 bytes.
  static std::string base_for_sockets();
  // Where MPI's shared memory goes: memory, not disk.
  static std::string base_for_shared_memory();

 private:
  std::string path_;
  int lock_ = -1;  // the folder itself, locked: its owner lives
};

}  // namespace shoal::launch
