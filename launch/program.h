// The frame of every main(): exceptions are caught here and nowhere else.
#pragma once
#include <functional>

namespace shoal::launch {

// Runs `body` and returns its exit code. An Error becomes one line on stderr and its documented
// code; any other exception becomes one line and code 1.
int run_program(const std::function<int()>& body) noexcept;

// What coordinator and workers compare, so that two builds never share a cluster.
const char* build_id();

}  // namespace shoal::launch
