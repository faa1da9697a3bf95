// Where a tensor slice lives and which kernels run on it.
#pragma once
#include <cstdint>
#include <string_view>

namespace shoal {

enum class Backend : uint8_t { kReference, kCpu, kCuda };

std::string_view backend_name(Backend backend);

}  // namespace shoal
