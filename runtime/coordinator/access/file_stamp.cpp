#include "runtime/coordinator/access/file_stamp.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace shoal::access {

std::string stamp_of(const TlsFiles& files) {
  std::string stamp;
  for (const std::string& path : {files.certificate, files.key, files.client_authority}) {
    struct stat found {};
    if (!path.empty() && stat(path.c_str(), &found) == 0)
      stamp += fmt::format("{}:{}:{}.{:09};",
                           found.st_ino,
                           found.st_size,
                           found.st_mtim.tv_sec,
                           found.st_mtim.tv_nsec);
    else
      stamp += ';';
  }
  return stamp;
}

}  // namespace shoal::access
