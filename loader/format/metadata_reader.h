// The metadata entries of a GGUF header, from bytes. Every length and count is compared with the
// bytes left before memory is taken; each check costs O(1), or O(n) of bytes that are really there.
#pragma once
#include <cstdint>
#include <string>

#include "loader/format/byte_cursor.h"
#include "loader/format/metadata.h"

namespace shoal::loader {

inline constexpr uint64_t kMaxMetadataEntries = 65536;
inline constexpr uint64_t kMaxKeyBytes = 65535;
// One string or array. The largest real one (a merge list) is 6 MB; the bound keeps a file that is
// valid but absurd from being copied into memory.
inline constexpr uint64_t kMaxValueBytes = uint64_t{32} << 20;

// Reads `count` entries from the cursor. Throws ModelFileError.
Metadata read_metadata(ByteCursor& cursor, uint64_t count, const std::string& file);

}  // namespace shoal::loader
