#include "launch/model_fetch.h"
#include "runtime/base/error.h"

namespace shoal::launch {

FetchedModel fetch_model(const ModelOptions&, const FetchScope&) {
  throw Error(ExitCode::kUsage,
              "-hf: this build has no libcurl; fetch the files yourself and name them with -m");
}

}  // namespace shoal::launch
