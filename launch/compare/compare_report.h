// The comparison in three forms. The first model is what the others are judged against; the base is
// whose log-probabilities the divergences are measured from.
#pragma once
#include <string>
#include <vector>

#include "launch/compare/model_scores.h"

namespace shoal::launch {

struct Comparison {
  std::vector<ModelScores> models;  // at least one, all on the same chunks
  std::string base;                 // "MODEL" or "saved logits FILE", as the user sees it
  std::string text;                 // what was scored
  int n_ctx = 0, num_chunks = 0, rows_per_chunk = 0;
  int generated = 0;       // tokens of a speed run; 0: not measured
  ModelScores saved_base;  // with a logits file: its nll, for a single model's verdict

  std::vector<std::string> verdicts() const;
};

std::string compare_table(const Comparison& comparison);
std::string compare_json(const Comparison& comparison);
// A page of its own: no script, no font, nothing fetched.
std::string compare_page(const Comparison& comparison);

}  // namespace shoal::launch
