// Cuts blocks into the split layout on the device, as kernels/quant/split_blocks.h does on the
// host, which is its twin.
#pragma once
#include "kernels/quant/split_blocks.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

// All memory is the device's and begins at multiples of 16; at most 2^31 bytes. Only enqueues.
void split_blocks(
    const BlockCut& cut, const std::byte* from, int64_t num_blocks, SplitPlanes to, Stream stream);

}  // namespace shoal::kernels::cuda
