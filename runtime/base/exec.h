// What a kernel call needs besides its Params: where to run, scratch memory, how long it may wait.
#pragma once
#include <cstddef>
#include <span>

#include "runtime/base/deadline.h"
#include "runtime/base/thread_pool.h"

namespace shoal {

// A device stream without its headers: null on the CPU.
struct Stream {
  void* handle = nullptr;
};

struct Exec {
  Stream stream;
  ThreadPool* pool = nullptr;      // CPU backends; never null there
  std::span<std::byte> workspace;  // 64-byte aligned; a kernel may use all of it during its call
  Deadline deadline = Deadline::never();
};

}  // namespace shoal
