// A weight row whose planes lie in shared memory, for the codecs' fetch().
#pragma once
#include "kernels/cuda/block_codecs.cuh"

namespace shoal::kernels::cuda {

struct SharedBytes {
  const uint8_t* at;
  __device__ SharedBytes operator+(int offset) const { return {at + offset}; }
};

template <class T>
__device__ inline T load_at(SharedBytes from) {
  return *reinterpret_cast<const T*>(from.at);
}

struct SharedRow {
  SharedBytes bodies, heads;
};

}  // namespace shoal::kernels::cuda
