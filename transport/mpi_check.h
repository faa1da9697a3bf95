// Return codes of MPI calls -> Error with the call's text, this rank, MPI's text and the caller's
// place. Never MPI_Abort: that would take the survivors along.
#pragma once
#include <source_location>

namespace shoal::transport {

void mpi_check(int rc,
               const char* call,
               std::source_location place = std::source_location::current());

// For calls that concern one peer: throws PeerLost naming it, except for a message that is longer
// than its buffer, which is an Error.
void mpi_check_peer(int rc,
                    const char* call,
                    int peer,
                    std::source_location place = std::source_location::current());

}  // namespace shoal::transport
