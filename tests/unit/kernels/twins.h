// What the EqualsReference tests share: seeded inputs, a pool, bitwise comparison.
#pragma once
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/kernel_table.h"

namespace shoal::kernels {

inline std::vector<float> random_floats(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

inline TensorView matrix(std::vector<float>& values, int64_t rows) {
  const int64_t cols = rows == 0 ? 1 : static_cast<int64_t>(values.size()) / rows;
  return view_f32(values.data(), rows, cols);
}

inline TensorView column(std::vector<int32_t>& values) {
  return view_i32(values.data(), static_cast<int64_t>(values.size()));
}

inline void expect_same_bits(const std::vector<float>& expected, const std::vector<float>& actual) {
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(expected[i]), std::bit_cast<uint32_t>(actual[i]))
        << "at " << i << ": " << expected[i] << " and " << actual[i];
}

// A backend on a pool of its own.
class Machine {
 public:
  explicit Machine(Backend backend, int num_threads = 1)
      : pool_(num_threads), exec_{.pool = &pool_}, kernels_(select_kernels(backend)) {}

  template <class Params>
  void run(Kernel<Params> KernelTable::*op, const Params& params) {
    (kernels_.*op)(params, exec_);
  }

 private:
  ThreadPool pool_;
  Exec exec_;
  const KernelTable& kernels_;
};

// body(machine) for the backends that must equal the reference, each with 1 and with 2 threads.
template <class Body>
void for_each_backend(const Body& body) {
  for (const int num_threads : {1, 2}) {
    SCOPED_TRACE(testing::Message() << num_threads << " threads");
    Machine machine(Backend::kCpu, num_threads);
    body(machine);
  }
}

}  // namespace shoal::kernels
