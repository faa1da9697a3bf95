// What tells one state of the TLS files from another without reading them.
#pragma once
#include <string>

#include "runtime/coordinator/access/tls_files.h"

namespace shoal::access {

// Inode, size and time of change of each file; a missing one counts as a state too.
std::string stamp_of(const TlsFiles& files);

}  // namespace shoal::access
