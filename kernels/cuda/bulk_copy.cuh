// Copies of whole stretches from device to shared memory by the copy engine of a thread block
// (Hopper and later): one thread asks, a barrier in shared memory counts the bytes that arrive, and
// no register waits. Unlike plain loads, the compiler keeps them before wait_for_inputs().
#pragma once
#include <cstdint>

#include "kernels/cuda/async_copy.cuh"

namespace shoal::kernels::cuda {

using Arrival = uint64_t;  // a barrier's word, in shared memory

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
// The host launches no kernel with bulk copies there; they only have to compile.
__device__ inline void make_arrivals(Arrival*, int) {}
__device__ inline void expect_bytes(Arrival*, unsigned) {}
__device__ inline void copy_bulk(void*, const void*, unsigned, Arrival*) {}
__device__ inline void await_arrival(Arrival*, unsigned) {}
#else

// By one thread; a barrier of the thread block follows.
__device__ inline void make_arrivals(Arrival* arrivals, int count) {
  for (int i = 0; i < count; ++i)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_place(arrivals + i))
                 : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// By the one thread that asks for the copies: what they bring in all.
__device__ inline void expect_bytes(Arrival* arrival, unsigned bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_place(arrival)),
      "r"(bytes)
      : "memory");
}

// 16-byte aligned on both sides, a multiple of 16 bytes.
__device__ inline void copy_bulk(void* to, const void* from, unsigned bytes, Arrival* arrival) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_place(to)),
      "l"(from),
      "r"(bytes),
      "r"(shared_place(arrival))
      : "memory");
}

// Until the barrier's turn of this parity (0, 1, 0, ...) is over.
__device__ inline void await_arrival(Arrival* arrival, unsigned parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni over;\n"
      "bra.uni again;\n"
      "over:\n"
      "}" ::"r"(shared_place(arrival)),
      "r"(parity)
      : "memory");
}
#endif

}  // namespace shoal::kernels::cuda
