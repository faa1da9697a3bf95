// The certificates of one job's control links, made at launch and held in memory only: an authority
// that lives for this call, the coordinator's certificate and one for all workers of the job. The
// authority's key is gone when the call returns, so nobody can ever sign a third.
#pragma once
#include <string>
#include <vector>

#include "runtime/control/link_credentials.h"

namespace shoal::access {

struct JobCertificates {
  control::LinkCredentials coordinator, worker;
};

// names: what workers dial, as IP addresses or DNS names. A worker's certificate cannot stand for
// the coordinator's, nor the other way round. Throws Error (unexpected) when OpenSSL refuses.
JobCertificates make_job_certificates(const std::vector<std::string>& names);

}  // namespace shoal::access
