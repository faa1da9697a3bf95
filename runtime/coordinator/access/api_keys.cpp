#include "runtime/coordinator/access/api_keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::access {
namespace {

constexpr size_t kMinKeyChars = 16, kMaxKeyChars = 512, kMaxNameChars = 64;
constexpr size_t kMaxFileBytes = 1 << 20;
constexpr double kMinWeight = 0.01, kMaxWeight = 100;

Error bad_line(int line, const std::string& what) {
  return Error(ExitCode::kUsage, fmt::format("--api-key-file, line {}: {}", line, what));
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameChars && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

bool is_key(std::string_view key) {
  return key.size() >= kMinKeyChars && key.size() <= kMaxKeyChars &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// The words of a line, without its comment.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kSpaces = " \t\r";
  while (true) {
    const size_t begin = line.find_first_not_of(kSpaces);
    if (begin == line.npos || line[begin] == '#') return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kSpaces), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<double> weight_of(std::string_view word) {
  double weight = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), weight);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  if (!(weight >= kMinWeight && weight <= kMaxWeight)) return std::nullopt;
  return weight;
}

struct Descriptor {
  int fd;
  ~Descriptor() { close(fd); }
};

std::string read_private(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat found {};
  if (file.fd < 0 || fstat(file.fd, &found) != 0)
    throw_errno(ExitCode::kUsage, "open " + printable(path, 160));
  if (!S_ISREG(found.st_mode) || (found.st_mode & 077) != 0)
    throw Error(ExitCode::kUsage,
                fmt::format("{}: keys must lie in a file of mode 0600 (it is {:04o}); chmod 600 it",
                            printable(path, 160),
                            static_cast<unsigned>(found.st_mode & 07777)));
  std::string text(std::min(static_cast<size_t>(found.st_size), kMaxFileBytes), '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

ApiKeys::Hash ApiKeys::hash_of(std::string_view key) {
  Hash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

ApiKeys ApiKeys::parse(std::string_view text) {
  ApiKeys keys;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (words.size() > 3) throw bad_line(line, "more than NAME KEY WEIGHT");
    const std::string name =
        words.size() >= 2 ? std::string(words[0]) : fmt::format("key-{}", line);
    const std::string_view key = words.size() >= 2 ? words[1] : words[0];
    const auto weight = words.size() == 3 ? weight_of(words[2]) : std::optional(1.0);
    if (!weight)
      throw bad_line(line,
                     fmt::format("the weight is not a number of {} to {}", kMinWeight, kMaxWeight));
    if (!is_name(name)) throw bad_line(line, "the name is not 1 to 64 of A-Z a-z 0-9 . _ -");
    if (!is_key(key))
      throw bad_line(line,
                     fmt::format("the key is not {} to {} printable characters without spaces",
                                 kMinKeyChars,
                                 kMaxKeyChars));
    for (const Key& key : keys.keys_)
      if (key.name == name) throw bad_line(line, "the name comes twice");
    keys.keys_.push_back({name, hash_of(key), *weight});
  }
  if (keys.keys_.empty()) throw Error(ExitCode::kUsage, "--api-key-file holds no key");
  return keys;
}

ApiKeys ApiKeys::read(const std::string& path) {
  std::string text = read_private(path);
  ApiKeys keys = parse(text);
  OPENSSL_cleanse(text.data(), text.size());
  return keys;
}

std::map<std::string, double> ApiKeys::weights() const {
  std::map<std::string, double> weights;
  for (const Key& key : keys_) weights.emplace(key.name, key.weight);
  return weights;
}

std::optional<std::string> ApiKeys::owner(std::string_view key) const {
  const Hash hash = hash_of(key);
  const Key* match = nullptr;
  // All are looked at, so that the time says nothing of where the match is.
  for (const Key& known : keys_)
    if (CRYPTO_memcmp(known.hash.data(), hash.data(), hash.size()) == 0) match = &known;
  return match == nullptr ? std::nullopt : std::optional(match->name);
}

std::string read_one_key(const std::string& path) {
  const std::string text = read_private(path);
  ApiKeys::parse(text);  // the same rules, the same words
  std::string_view left = text;
  while (!left.empty()) {
    const size_t end = std::min(left.find('\n'), left.size());
    const auto words = words_of(left.substr(0, end));
    if (!words.empty()) return std::string(words.size() >= 2 ? words[1] : words[0]);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return "";
}

}  // namespace shoal::access
