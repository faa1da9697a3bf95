// MPI from start to end of a process. On the clean path every rank calls leave_cleanly() and the
// destructor finalizes. On the fault path nobody finalizes (it would wait for the dead): the
// destructor does nothing and the caller leaves with _exit.
#pragma once

namespace shoal::transport {

class MpiEnvironment {
 public:
  enum class Threads { kFunneled, kSerialized, kMultiple };

  // Throws Error (start-up) when the library does not give the thread level asked for.
  MpiEnvironment(int& argc, char**& argv, Threads required = Threads::kFunneled);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  // All communicators of this environment must be gone before it is destroyed.
  void leave_cleanly() { clean_ = true; }

 private:
  bool clean_ = false;
};

}  // namespace shoal::transport
