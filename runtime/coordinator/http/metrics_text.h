// Everything that a scraper sees, in Prometheus' text form. README and dashboards lean on the
// names.
#pragma once
#include <string>

#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/request_metrics.h"

namespace shoal::http {

struct MetricsFacts {
  coordinator::ClusterStatus status;
  coordinator::RequestTotals requests;
  std::string model, build;
  bool vllm_names = false;  // the series that vLLM's dashboards read, beside shoal's own
};
std::string metrics_text(const MetricsFacts& facts);

}  // namespace shoal::http
