// One child in a process group of its own. It dies with the thread that started it (so start it
// from the main thread), reads nothing from our stdin, and writes both its outputs to one pipe.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace shoal::launch {

class ChildProcess {
 public:
  struct Command {
    std::vector<std::string> arguments;    // [0] is the program's path
    std::vector<std::string> environment;  // "NAME=value", added to ours; a secret may be here
  };
  // Throws Error (start-up) when no process can be made. A program that cannot be executed ends
  // with status 127.
  explicit ChildProcess(const Command& command);
  ~ChildProcess();  // kills the group and reaps the child, if poll() did not
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  int take_output();          // the pipe's reading end, once; the caller closes it
  std::optional<int> poll();  // the wait status once it ended; never blocks
  void signal_group(int signal) const;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::optional<int> status_;
};

// "exited with code 3", "was killed by signal 9 (Killed)".
std::string describe_status(int wait_status);

// The program's path: as it is when it holds a slash, else the first hit in PATH. Empty: not found.
std::string find_program(const std::string& name);

// The folder of the running binary; programs of one build lie together.
std::string program_folder();

// Children of a process of this user, as /proc tells.
std::vector<pid_t> children_of(pid_t parent);

// Grandchildren whose parent died become ours instead of init's, so that none is left behind.
void adopt_orphans();
// Kills and reaps every child of this process, as often as new ones are adopted, for at most a
// second.
void kill_orphans();

}  // namespace shoal::launch
