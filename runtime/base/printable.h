// Text from files, clients and peers made safe for a terminal and a log line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace shoal {

// Control bytes, non-ASCII bytes and backslashes become \xNN; cut at max_chars with "...".
std::string printable(std::string_view untrusted, size_t max_chars = 64);

// 1234567 -> "1,234,567".
std::string grouped(uint64_t number);

// 1234567 -> "1.2 MB" (powers of 1000, as disks and links are sold).
std::string human_bytes(uint64_t bytes);

}  // namespace shoal
