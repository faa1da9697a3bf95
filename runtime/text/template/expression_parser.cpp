#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/filters.h"
#include "runtime/text/template/parser.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/tree_depth.h"

namespace shoal::text::jinja {

NestingGuard::NestingGuard(int& nesting, int line) : nesting_(nesting) {
  if (nesting_ >= kMaxNesting) {
    throw TemplateError(line, fmt::format("nesting exceeds {}", kMaxNesting));
  }
  ++nesting_;
}

Token ExpressionParser::take() {
  Token token = tokens_[pos_];
  if (pos_ + 1 < tokens_.size()) ++pos_;
  return token;
}

bool ExpressionParser::skip_operator(std::string_view sign) {
  if (!current().is_operator(sign)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

void ExpressionParser::fail_here(const std::string& reason) const {
  throw TemplateError(current().line, reason);
}

namespace {

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kString:
      return fmt::format("the string '{}'", printable(token.text));
    default:
      return fmt::format("'{}'", printable(token.text));
  }
}

}  // namespace

void ExpressionParser::expect_operator(std::string_view sign) {
  if (!skip_operator(sign)) {
    fail_here(fmt::format("expected '{}', got {}", sign, describe(current())));
  }
}

void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_here(fmt::format("expected '{}', got {}", name, describe(current())));
}

void ExpressionParser::expect(TokenKind kind) {
  if (current().kind == kind) {
    take();
    return;
  }
  const std::string_view wanted = kind == TokenKind::kVariableEnd ? "'}}'" : "'%}'";
  fail_here(fmt::format("expected {}, got {}", wanted, describe(current())));
}

std::string ExpressionParser::take_name() {
  if (current().kind != TokenKind::kName) {
    fail_here(fmt::format("expected a name, got {}", describe(current())));
  }
  return take().text;
}

ExpressionPtr ExpressionParser::parse_expression(Inline inline_if) {
  const NestingGuard guard(nesting_, current().line);
  return inline_if == Inline::kAllowed ? parse_conditional() : parse_logic(true);
}

ExpressionPtr ExpressionParser::parse_conditional() {
  const int line = current().line;
  ExpressionPtr value = parse_logic(true);
  while (skip_name("if")) {
    ExpressionPtr condition = parse_logic(true);
    ExpressionPtr otherwise;
    if (skip_name("else")) {
      const NestingGuard guard(nesting_, current().line);
      otherwise = parse_conditional();
    }
    value =
        make_node(line, Conditional{std::move(condition), std::move(value), std::move(otherwise)});
  }
  return value;
}

// stop_at true: `or` over `and`s; false: `and` over `not`s.
ExpressionPtr ExpressionParser::parse_logic(bool stop_at) {
  const int line = current().line;
  const std::string_view word = stop_at ? "or" : "and";
  const auto operand = [&] { return stop_at ? parse_logic(false) : parse_not(); };
  ExpressionPtr first = operand();
  if (!current().is_name(word)) return first;
  Logic logic{stop_at, {}};
  logic.operands.push_back(std::move(first));
  while (skip_name(word)) logic.operands.push_back(operand());
  return make_node(line, std::move(logic));
}

ExpressionPtr ExpressionParser::parse_not() {
  const int line = current().line;
  if (!skip_name("not")) return parse_comparison();
  const NestingGuard guard(nesting_, line);
  return make_node(line, Not{parse_not()});
}

ExpressionPtr ExpressionParser::parse_comparison() {
  static constexpr std::pair<std::string_view, CompareOp> kOperators[] = {
      {"==", CompareOp::kEqual},
      {"!=", CompareOp::kNotEqual},
      {"<", CompareOp::kLess},
      {"<=", CompareOp::kLessEqual},
      {">", CompareOp::kGreater},
      {">=", CompareOp::kGreaterEqual},
  };
  const int line = current().line;
  Comparison comparison{parse_sum(), {}};
  while (true) {
    std::optional<CompareOp> op;
    for (const auto& [sign, candidate] : kOperators) {
      if (current().is_operator(sign)) op = candidate;
    }
    if (current().is_name("in")) op = CompareOp::kIn;
    if (current().is_name("not") && look_ahead().is_name("in")) {
      op = CompareOp::kNotIn;
      take();
    }
    if (!op) break;
    take();
    comparison.rest.emplace_back(*op, parse_sum());
  }
  if (comparison.rest.empty()) return std::move(comparison.first);
  return make_node(line, std::move(comparison));
}

ExpressionPtr ExpressionParser::parse_sum() {
  const int line = current().line;
  ExpressionPtr left = parse_concat();
  while (current().is_operator("+") || current().is_operator("-")) {
    const BinaryOp op = take().text == "+" ? BinaryOp::kAdd : BinaryOp::kSubtract;
    left = make_node(line, Binary{op, std::move(left), parse_concat()});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_concat() {
  const int line = current().line;
  ExpressionPtr first = parse_product();
  if (!current().is_operator("~")) return first;
  Concat concat;
  concat.parts.push_back(std::move(first));
  while (skip_operator("~")) concat.parts.push_back(parse_product());
  return make_node(line, std::move(concat));
}

ExpressionPtr ExpressionParser::parse_product() {
  static constexpr std::pair<std::string_view, BinaryOp> kOperators[] = {
      {"*", BinaryOp::kMultiply},
      {"/", BinaryOp::kDivide},
      {"//", BinaryOp::kFloorDivide},
      {"%", BinaryOp::kModulo},
  };
  const int line = current().line;
  ExpressionPtr left = parse_power();
  while (current().kind == TokenKind::kOperator) {
    const auto* found = std::find_if(std::begin(kOperators),
                                     std::end(kOperators),
                                     [&](auto& entry) { return entry.first == current().text; });
    if (found == std::end(kOperators)) break;
    take();
    left = make_node(line, Binary{found->second, std::move(left), parse_power()});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_power() {
  const int line = current().line;
  ExpressionPtr left = parse_unary(true);
  while (skip_operator("**")) {
    left = make_node(line, Binary{BinaryOp::kPower, std::move(left), parse_unary(true)});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filters) {
  const int line = current().line;
  ExpressionPtr value;
  if (current().is_operator("-") || current().is_operator("+")) {
    const NestingGuard guard(nesting_, line);
    const bool negative = take().text == "-";
    value = make_node(line, Sign{negative, parse_unary(false)});
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::parse_tuple(Inline inline_if) {
  const int line = current().line;
  if (at_tuple_end()) fail_here(fmt::format("expected an expression, got {}", describe(current())));
  ExpressionPtr first = parse_expression(inline_if);
  if (!current().is_operator(",")) return first;
  ListLiteral tuple{true, {}};
  tuple.items.push_back(std::move(first));
  while (skip_operator(",")) {
    if (at_tuple_end()) break;
    tuple.items.push_back(parse_expression(inline_if));
  }
  return make_node(line, std::move(tuple));
}

bool ExpressionParser::at_tuple_end() const {
  const TokenKind kind = current().kind;
  return kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd ||
         current().is_operator(")") || current().is_name("recursive");
}

ExpressionPtr ExpressionParser::parse_primary() {
  const int line = current().line;
  switch (current().kind) {
    case TokenKind::kName:
      return parse_name();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return parse_number();
    case TokenKind::kString: {
      std::string text;
      while (current().kind == TokenKind::kString) text += take().text;
      return make_node(line, Constant{Value::text(std::move(text), true)});
    }
    default:
      break;
  }
  if (skip_operator("(")) {
    if (skip_operator(")")) return make_node(line, ListLiteral{true, {}});
    ExpressionPtr value = parse_tuple();
    expect_operator(")");
    return value;
  }
  if (skip_operator("[")) return parse_list();
  if (skip_operator("{")) return parse_dict();
  fail_here(fmt::format("unexpected {}", describe(current())));
}

ExpressionPtr ExpressionParser::parse_name() {
  const int line = current().line;
  std::string name = take().text;
  if (name == "true" || name == "True") return make_node(line, Constant{Value(true)});
  if (name == "false" || name == "False") return make_node(line, Constant{Value(false)});
  if (name == "none" || name == "None") return make_node(line, Constant{Value::none()});
  if (name.starts_with("__")) refuse_host_name(line, name);
  if (signature_ && name == "varargs") signature_->catches_positional = true;
  if (signature_ && name == "kwargs") signature_->catches_named = true;
  return make_node(line, Name{std::move(name)});
}

ExpressionPtr ExpressionParser::parse_number() {
  const Token token = take();
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.kind == TokenKind::kFloat) {
    double value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (stop != end || error != std::errc()) {
      throw TemplateError(token.line, fmt::format("number '{}' is out of range", token.text));
    }
    return make_node(token.line, Constant{Value(value)});
  }
  const char radix_letter = token.text.size() > 2 ? static_cast<char>(token.text[1] | 0x20) : '\0';
  const int radix = radix_letter == 'x'   ? 16
                    : radix_letter == 'o' ? 8
                    : radix_letter == 'b' ? 2
                                          : 10;
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(begin + (radix == 10 ? 0 : 2), end, value, radix);
  if (stop != end || error != std::errc()) {
    throw TemplateError(token.line,
                        fmt::format("'{}' is not an integer in range", printable(token.text)));
  }
  return make_node(token.line, Constant{Value::integer(value)});
}

ExpressionPtr ExpressionParser::parse_list() {
  const int line = current().line;
  ListLiteral list{false, {}};
  while (!skip_operator("]")) {
    if (!list.items.empty()) {
      expect_operator(",");
      if (skip_operator("]")) break;
    }
    list.items.push_back(parse_expression());
  }
  return make_node(line, std::move(list));
}

ExpressionPtr ExpressionParser::parse_dict() {
  const int line = current().line;
  DictLiteral dict;
  while (!skip_operator("}")) {
    if (!dict.entries.empty()) {
      expect_operator(",");
      if (skip_operator("}")) break;
    }
    ExpressionPtr key = parse_expression();
    expect_operator(":");
    dict.entries.emplace_back(std::move(key), parse_expression());
  }
  return make_node(line, std::move(dict));
}

}  // namespace shoal::text::jinja
