// FNV-1a, 64 bits: tells apart files that differ by accident (another quantisation, another
// download), which is what ranks compare at the handshake. Not a defence against a forger.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace shoal::loader {

inline constexpr uint64_t kHashStart = 0xcbf29ce484222325;

inline uint64_t hash_bytes(uint64_t hash, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    hash = (hash ^ static_cast<uint64_t>(byte)) * uint64_t{0x100000001b3};
  return hash;
}

inline uint64_t hash_value(uint64_t hash, uint64_t value) {
  return hash_bytes(hash, std::as_bytes(std::span(&value, 1)));
}

}  // namespace shoal::loader
