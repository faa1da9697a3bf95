// The one exception family: something outside our code broke (a file, a peer, a client's input at
// the command line, the machine). Thrown anywhere, caught once in launch/, which prints one line
// and exits with the code. Expected outcomes (queue full, bad request) are return values instead.
#pragma once
#include <source_location>
#include <stdexcept>
#include <string>

namespace shoal {

// The documented exit codes of every program.
enum class ExitCode : int {
  kDone = 0,
  kUnexpected = 1,
  kUsage = 2,       // a flag, a config file, a port in use
  kBadModel = 3,    // the model file
  kStartup = 4,     // the cluster did not come up
  kDoesNotFit = 5,  // memory
  kRequest = 6,     // a request was refused or failed
  kRankLost = 7,    // a rank failed and could not be replaced
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code,
        const std::string& message,
        std::source_location place = std::source_location::current());

  ExitCode code() const { return code_; }
  const std::source_location& place() const { return place_; }

 private:
  ExitCode code_;
  std::source_location place_;
};

// A model file that cannot be used; the message is the one line that the user sees.
class ModelFileError : public Error {
 public:
  explicit ModelFileError(const std::string& message,
                          std::source_location place = std::source_location::current())
      : Error(ExitCode::kBadModel, message, place) {}
};

// A peer rank that did not answer within a deadline or broke its connection.
class PeerLost : public Error {
 public:
  PeerLost(int rank,
           const std::string& message,
           std::source_location place = std::source_location::current())
      : Error(ExitCode::kRankLost, message, place), rank_(rank) {}
  int rank() const { return rank_; }

 private:
  int rank_;
};

// A system call that failed: the call's text, errno's text and the caller's place.
[[noreturn]] void throw_errno(ExitCode code,
                              const std::string& call,
                              std::source_location place = std::source_location::current());

}  // namespace shoal
