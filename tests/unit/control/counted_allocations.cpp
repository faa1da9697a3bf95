// Apart from the test: a compiler that sees both halves together takes them for a mismatch.
#include "tests/unit/control/counted_allocations.h"

#include <algorithm>
#include <cstdlib>
#include <new>

std::atomic<size_t> shoal::control::largest_allocation = 0;

void* operator new(size_t size) {
  auto& largest = shoal::control::largest_allocation;
  largest.store(std::max(largest.load(std::memory_order_relaxed), size), std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
