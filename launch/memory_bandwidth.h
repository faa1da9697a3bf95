// What this machine's memory gives to readers: the bound of a decode step, which reads every
// active weight once.
#pragma once

namespace shoal::launch {

// Bytes a second, best of a few passes of `num_threads` threads over a buffer larger than caches.
double measure_read_bandwidth(int num_threads);

}  // namespace shoal::launch
