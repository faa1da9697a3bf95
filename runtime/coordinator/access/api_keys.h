// The keys that clients may bring, from a file that only its owner can read: one key a line, or
// "NAME KEY", or "NAME KEY WEIGHT"; # starts a comment. Kept as hashes and compared in constant
// time. Immutable.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::access {

class ApiKeys {
 public:
  // `text` is the file's content. Throws Error(kUsage) for a file without keys, a key under 16
  // characters or a name that comes twice; the messages never hold a key.
  static ApiKeys parse(std::string_view text);
  // Refuses a file that others can read (mode beyond 0600).
  static ApiKeys read(const std::string& path);

  // Whose key it is; empty for an unknown one. A key without a name is "key-<line>".
  std::optional<std::string> owner(std::string_view key) const;
  // How much of the ranks' time each name may have beside others; 1 where the file is silent.
  std::map<std::string, double> weights() const;
  size_t size() const { return keys_.size(); }

 private:
  using Hash = std::array<unsigned char, 32>;
  struct Key {
    std::string name;
    Hash hash;
    double weight = 1;
  };
  static Hash hash_of(std::string_view key);

  std::vector<Key> keys_;
};

// The first key of such a file, for a client that has to send it. Throws as ApiKeys::read does.
std::string read_one_key(const std::string& path);

}  // namespace shoal::access
