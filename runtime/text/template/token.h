// The tokens of a template source: literal text between tags, and what is inside the tags.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::text::jinja {

enum class TokenKind : uint8_t {
  kData,  // literal text, white space control already applied
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,  // unescaped
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  std::string text;

  bool is_operator(std::string_view sign) const {
    return kind == TokenKind::kOperator && text == sign;
  }
  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
};

}  // namespace shoal::text::jinja
