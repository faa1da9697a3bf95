#include "launch/chunk_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "launch/collected_stream.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

std::shared_ptr<CollectedStream> submit_chunk(coordinator::RequestDoor& door,
                                              const ChunkPlan& plan,
                                              int chunk) {
  coordinator::GenerationRequest request;
  const auto first = plan.ids.begin() + int64_t{chunk} * plan.n_ctx;
  request.prompt_ids.assign(first, first + plan.n_ctx);
  request.max_tokens = 0;
  request.score = plan.full_rows ? plan::Score::kFullLogits : plan::Score::kChunk;
  request.score_start = plan.first_position();
  return submit_collected(door, std::move(request));
}

// The mean of the chunk's scored predictions.
double take_chunk(CollectedStream& stream,
                  const ChunkPlan& plan,
                  int chunk,
                  const std::function<void(const ScoredRow&)>& take) {
  double sum = 0;
  int rows = 0;
  while (rows < plan.rows_per_chunk()) {
    const std::vector<plan::TokenScore> scores = stream.next_scores();
    if (scores.empty()) break;
    for (const plan::TokenScore& score : scores) {
      // `position` is the one that the predicted token takes.
      const int row = static_cast<int>(score.position) - 1 - plan.first_position();
      if (row != rows || row >= plan.rows_per_chunk()) continue;
      ++rows;
      sum -= static_cast<double>(score.logprob);
      if (take) take({chunk, row, score.token, score.logprob, score.row});
    }
  }
  if (rows != plan.rows_per_chunk())
    throw Error(
        ExitCode::kUnexpected,
        fmt::format(
            "chunk {}: {} of {} positions were scored", chunk, rows, plan.rows_per_chunk()));
  stream.wait();
  return sum / rows;
}

}  // namespace

void cut_into_chunks(ChunkPlan& plan, int64_t max_chunks) {
  auto chunks = static_cast<int64_t>(plan.ids.size()) / plan.n_ctx;
  if (max_chunks > 0) chunks = std::min(chunks, max_chunks);
  if (chunks == 0)
    throw Error(
        ExitCode::kRequest,
        fmt::format("the text has {} tokens: one chunk needs {}", plan.ids.size(), plan.n_ctx));
  plan.ids.resize(static_cast<size_t>(chunks * plan.n_ctx));
}

std::vector<double> score_chunks(coordinator::RequestDoor& door,
                                 const ChunkPlan& plan,
                                 const std::function<void(const ScoredRow&)>& take) {
  std::vector<double> means;
  std::deque<std::shared_ptr<CollectedStream>> streams;
  int submitted = 0;
  for (int chunk = 0; chunk < plan.num_chunks(); ++chunk) {
    for (; submitted < plan.num_chunks() && submitted < chunk + plan.in_flight; ++submitted)
      streams.push_back(submit_chunk(door, plan, submitted));
    means.push_back(take_chunk(*streams.front(), plan, chunk, take));
    streams.pop_front();
  }
  return means;
}

}  // namespace shoal::launch
