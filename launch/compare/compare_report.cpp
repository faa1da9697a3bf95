#include "launch/compare/compare_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "launch/text_table.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

std::string with_error(const Estimate& estimate, int digits) {
  if (!std::isfinite(estimate.error)) return fmt::format("{:.{}f}", estimate.value, digits);
  return fmt::format("{:.{}f} +- {:.{}f}", estimate.value, digits, estimate.error, digits);
}

std::string small_with_error(const Estimate& estimate) {
  if (!std::isfinite(estimate.error)) return fmt::format("{:.2e}", estimate.value);
  return fmt::format("{:.2e} +- {:.0e}", estimate.value, estimate.error);
}

nlohmann::ordered_json json_of(const Estimate& estimate) {
  nlohmann::ordered_json json = {{"value", estimate.value}, {"error", nullptr}};
  if (std::isfinite(estimate.error)) json["error"] = estimate.error;
  return json;
}

}  // namespace

std::vector<std::string> Comparison::verdicts() const {
  std::vector<std::string> lines;
  for (size_t i = 1; i < models.size(); ++i) lines.push_back(verdict(models[i], models[0]));
  if (models.size() == 1 && !saved_base.nll.empty())
    lines.push_back(verdict(models[0], saved_base));
  return lines;
}

std::string compare_table(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows = {{"model",
                                                 "size",
                                                 "bits",
                                                 "perplexity",
                                                 "mean KL",
                                                 "median KL",
                                                 "99% KL",
                                                 "same top",
                                                 "tok/s"}};
  for (const ModelScores& model : comparison.models) {
    std::vector<std::string> row = {model.name,
                                    human_bytes(model.file_bytes),
                                    fmt::format("{:.2f}", model.bits_per_weight()),
                                    with_error(model.perplexity(), 4)};
    if (model.is_base()) {
      row.insert(row.end(), {"base", "base", "base", "base"});
    } else {
      const Estimate top = model.same_top_share();
      row.insert(row.end(),
                 {small_with_error(model.mean_divergence()),
                  small_with_error(model.divergence_at(0.5)),
                  small_with_error(model.divergence_at(0.99)),
                  with_error({100 * top.value, 100 * top.error}, 2) + " %"});
    }
    const auto speed = model.speed();
    row.push_back(speed ? with_error(*speed, 1) : "-");
    rows.push_back(std::move(row));
  }
  std::string text = text_table(rows);
  text += fmt::format("\nbase: {}; {} predictions in {} chunks of {} tokens of {}\n",
                      comparison.base,
                      grouped(static_cast<uint64_t>(comparison.num_chunks) *
                              static_cast<uint64_t>(comparison.rows_per_chunk)),
                      comparison.num_chunks,
                      comparison.n_ctx,
                      comparison.text);
  text += "+-: 95 % over chunks; of tok/s one standard deviation\n";
  for (const std::string& line : comparison.verdicts()) text += line + "\n";
  return text;
}

std::string compare_json(const Comparison& comparison) {
  nlohmann::ordered_json json;
  json["base"] = comparison.base;
  json["n_ctx"] = comparison.n_ctx;
  json["chunks"] = comparison.num_chunks;
  json["tokens"] = comparison.num_chunks * comparison.rows_per_chunk;
  json["models"] = nlohmann::ordered_json::array();
  for (const ModelScores& model : comparison.models) {
    nlohmann::ordered_json entry;
    entry["name"] = model.name;
    entry["bytes"] = model.file_bytes;
    entry["bits_per_weight"] = model.bits_per_weight();
    entry["perplexity"] = json_of(model.perplexity());
    entry["mean_nll_per_chunk"] = model.mean_nll();
    entry["is_base"] = model.is_base();
    if (!model.is_base()) {
      entry["kl_divergence"] = {{"mean", json_of(model.mean_divergence())},
                                {"median", json_of(model.divergence_at(0.5))},
                                {"p99", json_of(model.divergence_at(0.99))}};
      entry["same_top"] = json_of(model.same_top_share());
    }
    if (const auto speed = model.speed())
      entry["tokens_per_second"] = {{"value", speed->value}, {"stddev", speed->error}};
    json["models"].push_back(std::move(entry));
  }
  json["verdicts"] = comparison.verdicts();
  return json.dump() + "\n";
}

}  // namespace shoal::launch
