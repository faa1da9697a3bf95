// The statement half of the grammar: what stands between {% and %}.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vector>

#include "runtime/text/template/parser.h"

namespace shoal::text::jinja {

class StatementParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body parse_template();

 private:
  // Statements up to a tag of one of these names; the parser stops at that name.
  Body parse_until(std::initializer_list<std::string_view> ends);
  // `%}`, statements, and the given end tag's name.
  Body parse_block(std::string_view end);
  Statement parse_tag();
  Statement::Node parse_tag_named(const Token& name);
  Statement::Node parse_if();
  Statement::Node parse_for();
  Statement::Node parse_set();
  Statement::Node parse_with();
  Statement::Node parse_macro();
  Statement::Node parse_call_block();
  Statement::Node parse_filter_block();
  Signature parse_signature();
  // The body of a macro or call block, whose use of varargs and kwargs goes into `signature`.
  Body parse_callable_body(Signature& signature, std::string_view end);
  Target parse_target();
  Target parse_target_part();

  int loop_depth_ = 0;  // of the innermost macro body
};

}  // namespace shoal::text::jinja
