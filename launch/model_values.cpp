#include "launch/model_values.h"

namespace shoal::launch {
namespace {

template <class T>
void take(OptionSet& options,
          const char* flag,
          std::optional<T>& value,
          const std::optional<T>& from_model) {
  if (!from_model || options.given(flag) || value) return;
  value = from_model;
  options.set_origin(flag, Origin::kModelFile);
}

}  // namespace

void take_context(OptionSet& options,
                  const coordinator::ServedModel& model,
                  ClusterOptions& shape) {
  if (shape.context != 0) return;
  shape.context = model.config.context_length;
  options.set_origin("ctx-size", Origin::kModelFile);
}

void take_sampling(OptionSet& options,
                   const coordinator::ServedModel& model,
                   SamplingOptions& sampling) {
  const loader::RecommendedSampling& recommended = model.vocab.sampling;
  take(options, "temp", sampling.temperature, recommended.temperature);
  take(options, "top-k", sampling.top_k, recommended.top_k);
  take(options, "top-p", sampling.top_p, recommended.top_p);
  take(options, "min-p", sampling.min_p, recommended.min_p);
}

}  // namespace shoal::launch
