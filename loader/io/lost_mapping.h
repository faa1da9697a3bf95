// A mapped model file that becomes shorter takes its pages along: touching one is SIGBUS, which
// would end the process without a word. From watch_mappings() on, the process says which file it
// was and leaves, while the thread that touched the page stands still.
#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace shoal::loader {

// Installs the SIGBUS handler; once a process, after MPI and CUDA have installed theirs. `leave`
// runs on a thread of its own with the one line that says what happened, may call anything, and
// does not return: it ends the process with exit code 3. If it hangs, the process ends with that
// code three seconds later. A SIGBUS elsewhere kills the process as it always did.
void watch_mappings(std::function<void(const std::string& message)> leave);

// MappedFile's: what is mapped where. At most 1,024 files at once are known by name.
void remember_mapping(std::span<const std::byte> bytes, const std::string& path);
void forget_mapping(std::span<const std::byte> bytes);

}  // namespace shoal::loader
