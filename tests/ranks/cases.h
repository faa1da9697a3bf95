// Test bodies that hold over every HostComm: run by tests/unit/transport over threads and by
// tests/ranks over MPI, at any world size. Each rank calls the same body; expected values are
// formulas of (rank, token, expert), never gathered.
#pragma once
#include <chrono>
#include <span>
#include <string>

#include "transport/host_comm.h"

namespace shoal::transport {

struct RankCase {
  const char* name;
  void (*body)(HostComm& comm);
};

std::span<const RankCase> comm_cases();    // comm_cases.cpp
std::span<const RankCase> expert_cases();  // expert_cases.cpp

// A wait that no healthy run comes near, even on a machine with other work.
inline Deadline patient() { return Deadline::after(std::chrono::seconds(60)); }

}  // namespace shoal::transport
