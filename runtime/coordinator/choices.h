// Several choices of one request (n > 1): one stream each inside, one sink outside. The first
// choice runs the prompt; the others start from the state that it leaves (scheduler, fork_of).
// Coordinator's thread.
#pragma once
#include <memory>
#include <vector>

#include "runtime/coordinator/generation_request.h"

namespace shoal::coordinator {

// The seed of a choice; that of the first is the request's own. Draws of one choice are keyed by
// (seed, position), so equal seeds would give equal texts.
uint64_t choice_seed(uint64_t seed, int index);

// One sink a choice, in order. Deltas carry their index; `sink` is told once that the request was
// accepted, scored, and that it finished, which is when the last choice did, or failed, which is
// when the first one did.
std::vector<std::shared_ptr<StreamSink>> split_sink(int num_choices,
                                                    std::shared_ptr<StreamSink> sink);

}  // namespace shoal::coordinator
