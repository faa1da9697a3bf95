// Values that the model file decides where the user is silent; for --print-config and for what is
// run.
#pragma once
#include "launch/options.h"
#include "runtime/coordinator/served_model.h"

namespace shoal::launch {

void take_context(OptionSet& options, const coordinator::ServedModel& model, ClusterOptions& shape);

// general.sampling.*
void take_sampling(OptionSet& options,
                   const coordinator::ServedModel& model,
                   SamplingOptions& sampling);

}  // namespace shoal::launch
