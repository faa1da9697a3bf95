// Scoring a long text in chunks that do not see each other, several in flight: what perplexity and
// the KL divergence are made of. Scored are the predictions made at positions n_ctx / 2 .. n_ctx -
// 2 of a chunk.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/coordinator/request_door.h"

namespace shoal::launch {

struct ChunkPlan {
  std::vector<int32_t> ids;  // num_chunks * n_ctx
  int n_ctx = 512;
  int in_flight = 4;
  bool full_rows = false;  // log-probabilities of the whole vocabulary

  int num_chunks() const { return static_cast<int>(ids.size()) / n_ctx; }
  int first_position() const { return n_ctx / 2; }
  int rows_per_chunk() const { return n_ctx - 1 - n_ctx / 2; }
};

// Leaves whole chunks, at most max_chunks of them (0: all). Throws Error (request) where there is
// not one.
void cut_into_chunks(ChunkPlan& plan, int64_t max_chunks);

struct ScoredRow {
  int chunk = 0, row = 0;               // the prediction made at position first_position() + row
  int32_t token = -1;                   // that followed
  float logprob = 0;                    // of it
  std::span<const float> row_logprobs;  // full_rows: [vocab]; valid during the call
};

// Calls `take` on this thread, rows of a chunk in order, chunks in order. Returns the mean
// negative log-likelihood of each chunk. Throws Error (request).
std::vector<double> score_chunks(coordinator::RequestDoor& door,
                                 const ChunkPlan& plan,
                                 const std::function<void(const ScoredRow&)>& take);

}  // namespace shoal::launch
