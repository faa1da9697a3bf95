// Tokens -> tree. Throws TemplateError naming the line and the construct; nothing that would
// reach outside of the template (import, include, extends, names like __class__) parses.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/template/ast.h"
#include "runtime/text/template/token.h"

namespace shoal::text::jinja {

Body parse(std::string_view source);

// Counts the nesting of the source as it is entered; throws past kMaxNesting.
class NestingGuard {
 public:
  NestingGuard(int& nesting, int line);
  ~NestingGuard() { --nesting_; }
  NestingGuard(const NestingGuard&) = delete;
  NestingGuard& operator=(const NestingGuard&) = delete;

 private:
  int& nesting_;
};

// The cursor over the tokens, and the expression half of the grammar.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  const Token& current() const { return tokens_[pos_]; }
  const Token& look_ahead() const { return tokens_[std::min(pos_ + 1, tokens_.size() - 1)]; }
  int last_line() const { return tokens_[pos_ > 0 ? pos_ - 1 : 0].line; }  // of what was taken
  Token take();
  bool skip_operator(std::string_view sign);
  bool skip_name(std::string_view name);
  void expect_operator(std::string_view sign);
  void expect_name(std::string_view name);
  void expect(TokenKind kind);
  std::string take_name();
  std::string take_dotted_name();
  [[noreturn]] void fail_here(const std::string& reason) const;

  enum class Inline { kAllowed, kNotAllowed };  // `a if b else c` without parentheses
  ExpressionPtr parse_expression(Inline inline_if = Inline::kAllowed);
  // One expression, or several with commas between them: a tuple.
  ExpressionPtr parse_tuple(Inline inline_if = Inline::kAllowed);
  ExpressionPtr parse_postfix(ExpressionPtr value);
  ExpressionPtr parse_primary();
  // `name(...) | name ...` applied to `subject`, the first name without a bar.
  ExpressionPtr parse_filters(ExpressionPtr subject);

  int nesting_ = 0;
  // Special names that the innermost macro's body mentions.
  Signature* signature_ = nullptr;

 private:
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_logic(bool stop_at);
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr subject);
  ExpressionPtr parse_filter(ExpressionPtr subject);
  ExpressionPtr parse_test(ExpressionPtr subject);
  ExpressionPtr parse_dot(ExpressionPtr object);
  ExpressionPtr parse_subscript(ExpressionPtr object);
  ExpressionPtr parse_name();
  ExpressionPtr parse_number();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ArgumentList parse_arguments();
  bool at_tuple_end() const;

  std::vector<Token> tokens_;
  size_t pos_ = 0;
};

}  // namespace shoal::text::jinja
