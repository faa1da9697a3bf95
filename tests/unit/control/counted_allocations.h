// The largest piece of memory that was asked for. Linked in, it stands in for operator new of the
// whole test program.
#pragma once
#include <atomic>
#include <cstddef>

namespace shoal::control {

extern std::atomic<size_t> largest_allocation;  // since it was last set to 0

}  // namespace shoal::control
