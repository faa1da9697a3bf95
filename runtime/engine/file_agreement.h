// One verdict on the model's files for all ranks of a job: what one rank cannot read, none runs,
// and files that differ between nodes are told before a token is wrong. Collective.
#pragma once
#include <string>
#include <vector>

#include "loader/io/file_identity.h"
#include "runtime/base/deadline.h"
#include "runtime/base/error.h"
#include "transport/host_comm.h"

namespace shoal::engine {

// A refusal that every rank of the job throws in the same words, so that one of them prints it.
class SharedVerdict : public ModelFileError {
 public:
  using ModelFileError::ModelFileError;
};

// What one rank found. `refusal` is empty where all is well.
struct FileFinding {
  std::string host, refusal;
  std::vector<loader::FileIdentity> files;
};

// Opens nothing. Every rank gives its finding to rank 0 and takes the common verdict from it:
// returns when all are well and hold the same files; else all ranks throw SharedVerdict. Where the
// files differ, rank 0 logs a table of who holds what. Throws PeerLost when a rank does not come.
void agree_on_files(transport::HostComm& comm, const FileFinding& mine, Deadline deadline);

// The same after `work` (loading, say), whose ModelFileError on one rank becomes everyone's.
template <class Work>
void agree_after(transport::HostComm& comm, Deadline deadline, Work&& work) {
  FileFinding mine;
  try {
    work();
  } catch (const ModelFileError& error) {
    mine.refusal = error.what();
  }
  agree_on_files(comm, mine, deadline);
}

// Opens the set that `path` names on this rank, holds it against its manifest where one lies beside
// it, and says what agree_on_files() wants to know.
FileFinding find_files(const std::string& path, const std::string& host);

}  // namespace shoal::engine
