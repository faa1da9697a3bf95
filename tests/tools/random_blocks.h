// Random weights in the block formats. Scales are fixed, so that a weight is near 0.02 in size and
// the activations of a layer stay finite; what the blocks say is noise. The bytes depend on (seed,
// place) alone, never on who fills what.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/tools/model_layout.h"

namespace shoal::tools {

// Fills `out`, which starts at byte `offset` of the tensor's data: a multiple of 8 that also starts
// a block. Throws std::invalid_argument for a type that no mix has.
void fill_random(const LaidTensor& tensor,
                 uint64_t seed,
                 uint64_t offset,
                 std::span<std::byte> out);

// Pieces of a tensor that may be filled apart: whole blocks, whole words, near `wanted` bytes.
uint64_t piece_bytes(const LaidTensor& tensor, uint64_t wanted);

}  // namespace shoal::tools
