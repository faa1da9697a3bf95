#include "runtime/coordinator/http/metrics_text.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/base/printable.h"

namespace shoal::http {
namespace {

using coordinator::ClusterStatus;
using coordinator::Histogram;

std::string label(const std::string& value) {
  std::string out;
  for (const char c : printable(value, 200)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string number(double value) {
  if (!std::isfinite(value)) return "0";  // a rank's figure, so not trusted
  return fmt::format("{}", value);
}

class Page {
 public:
  void family(const std::string& name, const char* type, const char* help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void value(double value, const std::string& labels = "") {
    text_ += labels.empty() ? fmt::format("{} {}\n", name_, number(value))
                            : fmt::format("{}{{{}}} {}\n", name_, labels, number(value));
  }
  void one(const std::string& name, const char* type, const char* help, double amount) {
    family(name, type, help);
    value(amount);
  }
  void histogram(const std::string& name,
                 const char* help,
                 const Histogram& histogram,
                 const std::string& labels = "") {
    family(name, "histogram", help);
    const std::string comma = labels.empty() ? "" : labels + ",";
    const std::string alone = labels.empty() ? "" : "{" + labels + "}";
    for (size_t i = 0; i < histogram.bounds().size(); ++i)
      text_ += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n",
                           name,
                           comma,
                           histogram.bounds()[i],
                           histogram.counts()[i]);
    text_ += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, comma, histogram.count());
    text_ += fmt::format("{}_sum{} {}\n", name, alone, number(histogram.sum()));
    text_ += fmt::format("{}_count{} {}\n", name, alone, histogram.count());
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_, text_;
};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

void add_cluster(Page& page, const MetricsFacts& facts) {
  const ClusterStatus& status = facts.status;
  page.family("shoal_build_info", "gauge", "The build that serves.");
  page.value(1, fmt::format("build=\"{}\"", label(facts.build)));
  page.family("shoal_model_info", "gauge", "The model that is served.");
  page.value(1, fmt::format("model=\"{}\"", label(facts.model)));
  page.family("shoal_phase", "gauge", "1 for the coordinator's phase, 0 for the others.");
  for (int phase = 0; phase <= static_cast<int>(coordinator::Phase::kFailed); ++phase) {
    const auto one = static_cast<coordinator::Phase>(phase);
    page.value(one == status.phase, fmt::format("phase=\"{}\"", coordinator::phase_name(one)));
  }
  page.one("shoal_epoch", "gauge", "Grows each time the workers' job starts anew.", status.epoch);
  page.family("shoal_ranks", "gauge", "Ranks by state.");
  for (const char* state : {"absent", "loading", "ready", "lost"}) {
    int count = 0;
    for (const auto& rank : status.ranks) count += rank.state == state;
    page.value(count, fmt::format("state=\"{}\"", state));
  }
  double done = 0, total = 0;
  page.family("shoal_load_bytes_total", "counter", "Model bytes that a rank has read.");
  for (const auto& rank : status.ranks) {
    done += static_cast<double>(rank.bytes_loaded);
    total += static_cast<double>(rank.bytes_total);
    page.value(static_cast<double>(rank.bytes_loaded), fmt::format("rank=\"{}\"", rank.rank));
  }
  page.one("shoal_load_progress_ratio",
           "gauge",
           "Model bytes read, of all to read.",
           ratio(done, total));
}

void add_load(Page& page, const MetricsFacts& facts) {
  const ClusterStatus& status = facts.status;
  page.one("shoal_requests_running", "gauge", "Sequences in the batch.", status.running);
  page.one("shoal_requests_waiting", "gauge", "Requests in the queue.", status.waiting);
  page.one("shoal_kv_cache_usage_ratio",
           "gauge",
           "KV blocks in use, of all.",
           ratio(status.blocks_used, status.blocks_total));
  page.one("shoal_prompt_tokens_total",
           "counter",
           "Prompt tokens of admitted requests.",
           static_cast<double>(status.prompt_tokens));
  page.one("shoal_generation_tokens_total",
           "counter",
           "Tokens generated.",
           static_cast<double>(status.tokens_generated));
}

void add_cache(Page& page, const coordinator::CacheStatus& cache) {
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    page.one(name, "counter", help, static_cast<double>(value));
  };
  counter(
      "shoal_prefix_cache_hits_total", "Sequences that started behind cached text.", cache.hits);
  counter(
      "shoal_prefix_cache_hit_tokens_total", "Prompt tokens that were cached.", cache.hit_tokens);
  counter("shoal_prefix_cache_evictions_total", "Texts that made room.", cache.evictions);
  page.one("shoal_prefix_cache_bytes", "gauge", "Kept now.", static_cast<double>(cache.bytes));
  page.family("shoal_prefix_cache_ends_total", "counter", "Why cached text reached no farther.");
  for (const auto& [why, count] : cache.ends)
    page.value(static_cast<double>(count), fmt::format("reason=\"{}\"", label(why)));
  counter("shoal_preemptions_total", "Sequences paused for want of blocks.", cache.pauses);
  counter("shoal_recomputed_tokens_total", "Tokens that ran again.", cache.recomputed_tokens);
}

void add_requests(Page& page, const MetricsFacts& facts) {
  const coordinator::RequestTotals& totals = facts.requests;
  page.family("shoal_requests_total", "counter", "Requests that ended, by how.");
  for (const auto& [reason, count] : totals.finished)
    page.value(static_cast<double>(count),
               fmt::format("finish_reason=\"{}\",code=\"ok\"", label(reason)));
  for (const auto& [code, count] : totals.failed)
    page.value(static_cast<double>(count),
               fmt::format("finish_reason=\"failed\",code=\"{}\"", label(code)));
  page.histogram("shoal_queue_seconds", "From submission to admission.", totals.queue_seconds);
  page.histogram(
      "shoal_prefill_seconds", "From admission to the first token.", totals.prefill_seconds);
  page.histogram("shoal_time_to_first_token_seconds",
                 "From submission to the first token.",
                 totals.first_token_seconds);
  page.histogram("shoal_inter_token_latency_seconds", "Between tokens.", totals.token_seconds);
  page.histogram(
      "shoal_request_duration_seconds", "From submission to the end.", totals.total_seconds);
  page.histogram(
      "shoal_request_prompt_tokens", "Prompt tokens of a request.", totals.prompt_tokens);
  page.histogram(
      "shoal_request_generation_tokens", "Tokens that a request got.", totals.generated_tokens);
}

void add_ranks(Page& page, const ClusterStatus& status) {
  struct Part {
    const char* name;
    double plan::RankStats::*seconds;
  };
  constexpr Part kParts[] = {{"attention", &plan::RankStats::seconds_attention},
                             {"delta_net", &plan::RankStats::seconds_delta_net},
                             {"router", &plan::RankStats::seconds_router},
                             {"dispatch", &plan::RankStats::seconds_dispatch},
                             {"expert", &plan::RankStats::seconds_expert},
                             {"combine", &plan::RankStats::seconds_combine},
                             {"sampling", &plan::RankStats::seconds_sampling},
                             {"idle", &plan::RankStats::seconds_idle}};
  page.family("shoal_step_seconds_total", "counter", "A rank's time, by part of the step.");
  for (const auto& rank : status.ranks)
    for (const Part& part : kParts)
      page.value(rank.stats.*part.seconds,
                 fmt::format("rank=\"{}\",part=\"{}\"", rank.rank, part.name));
  page.family("shoal_steps_total", "counter", "Steps that a rank ran in its epoch.");
  for (const auto& rank : status.ranks)
    page.value(static_cast<double>(rank.stats.steps), fmt::format("rank=\"{}\"", rank.rank));
  page.family("shoal_expert_rows_total", "counter", "Rows that a rank's experts computed.");
  for (const auto& rank : status.ranks)
    page.value(static_cast<double>(rank.stats.expert_rows), fmt::format("rank=\"{}\"", rank.rank));
  page.family("shoal_alltoall_bytes_total", "counter", "Bytes of dispatch and combine.");
  for (const auto& rank : status.ranks) {
    page.value(static_cast<double>(rank.stats.bytes_sent),
               fmt::format("rank=\"{}\",dir=\"sent\"", rank.rank));
    page.value(static_cast<double>(rank.stats.bytes_received),
               fmt::format("rank=\"{}\",dir=\"received\"", rank.rank));
  }
}

void add_vllm_names(Page& page, const MetricsFacts& facts) {
  const std::string labels = fmt::format("model_name=\"{}\",engine=\"0\"", label(facts.model));
  const auto one = [&](const char* name, const char* type, double amount) {
    page.family(name, type, "Under vLLM's name.");
    page.value(amount, labels);
  };
  const ClusterStatus& status = facts.status;
  const coordinator::RequestTotals& totals = facts.requests;
  one("vllm:num_requests_running", "gauge", status.running);
  one("vllm:num_requests_waiting", "gauge", status.waiting);
  one("vllm:kv_cache_usage_perc", "gauge", ratio(status.blocks_used, status.blocks_total));
  one("vllm:prompt_tokens_total", "counter", static_cast<double>(status.prompt_tokens));
  one("vllm:generation_tokens_total", "counter", static_cast<double>(status.tokens_generated));
  one("vllm:num_preemptions_total", "counter", static_cast<double>(status.cache.pauses));
  one("vllm:prefix_cache_queries_total", "counter", static_cast<double>(status.prompt_tokens));
  one("vllm:prefix_cache_hits_total", "counter", static_cast<double>(status.cache.hit_tokens));
  page.family("vllm:request_success_total", "counter", "Under vLLM's name.");
  for (const auto& [reason, count] : totals.finished)
    page.value(static_cast<double>(count),
               fmt::format("{},finished_reason=\"{}\"", labels, label(reason)));
  const auto histogram = [&](const char* name, const Histogram& times) {
    page.histogram(name, "Under vLLM's name.", times, labels);
  };
  histogram("vllm:time_to_first_token_seconds", totals.first_token_seconds);
  histogram("vllm:inter_token_latency_seconds", totals.token_seconds);
  histogram("vllm:e2e_request_latency_seconds", totals.total_seconds);
  histogram("vllm:request_queue_time_seconds", totals.queue_seconds);
  histogram("vllm:request_prefill_time_seconds", totals.prefill_seconds);
  histogram("vllm:request_decode_time_seconds", totals.decode_seconds);
  histogram("vllm:request_prompt_tokens", totals.prompt_tokens);
  histogram("vllm:request_generation_tokens", totals.generated_tokens);
}

}  // namespace

std::string metrics_text(const MetricsFacts& facts) {
  Page page;
  add_cluster(page, facts);
  add_load(page, facts);
  add_cache(page, facts.status.cache);
  add_requests(page, facts);
  add_ranks(page, facts.status);
  if (facts.vllm_names) add_vllm_names(page, facts);
  return page.take();
}

}  // namespace shoal::http
