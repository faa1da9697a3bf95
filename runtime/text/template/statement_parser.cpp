#include "runtime/text/template/statement_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/lexer.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {

Body parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    throw TemplateError(1, fmt::format("source exceeds 1 MiB ({} bytes)", source.size()));
  }
  return StatementParser(tokenize(source)).parse_template();
}

Body StatementParser::parse_template() { return parse_until({}); }

Body StatementParser::parse_until(std::initializer_list<std::string_view> ends) {
  const int opened_at = last_line();
  const NestingGuard guard(nesting_, opened_at);
  Body body;
  while (true) {
    const int line = current().line;
    switch (current().kind) {
      case TokenKind::kData:
        body.push_back({Literal{MarkedText(take().text, true)}, line});
        break;
      case TokenKind::kVariableBegin:
        take();
        body.push_back({Print{parse_tuple()}, line});
        expect(TokenKind::kVariableEnd);
        break;
      case TokenKind::kBlockBegin:
        take();
        if (current().kind == TokenKind::kName &&
            std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
          return body;
        }
        body.push_back(parse_tag());
        expect(TokenKind::kBlockEnd);
        break;
      default:
        if (ends.size() == 0) return body;
        throw TemplateError(opened_at, fmt::format("'{}' is missing", *(ends.end() - 1)));
    }
  }
}

Body StatementParser::parse_block(std::string_view end) {
  expect(TokenKind::kBlockEnd);
  Body body = parse_until({end});
  expect_name(end);
  return body;
}

Statement StatementParser::parse_tag() {
  const Token name = current();
  if (name.kind != TokenKind::kName) fail_here("a tag must begin with a name");
  take();
  return {parse_tag_named(name), name.line};
}

Statement::Node StatementParser::parse_tag_named(const Token& name) {
  const std::string& tag = name.text;
  if (tag == "if") return parse_if();
  if (tag == "for") return parse_for();
  if (tag == "set") return parse_set();
  if (tag == "with") return parse_with();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  // Marks the tokens that training scores; a prompt is the same with and without it.
  if (tag == "generation") return Group{parse_block("endgeneration")};
  if (tag == "break" || tag == "continue") {
    if (loop_depth_ == 0)
      throw TemplateError(name.line, fmt::format("'{}' outside of a loop", tag));
    return tag == "break" ? Statement::Node(Break{}) : Statement::Node(Continue{});
  }
  static constexpr std::string_view kRefused[] = {
      "import", "from", "include", "extends", "block", "autoescape", "do", "trans", "debug"};
  if (std::find(std::begin(kRefused), std::end(kRefused), tag) != std::end(kRefused)) {
    throw TemplateError(name.line, fmt::format("uses '{}', which does not exist here", tag));
  }
  throw TemplateError(name.line, fmt::format("unknown tag '{}'", printable(tag)));
}

Statement::Node StatementParser::parse_if() {
  If node;
  while (true) {
    ExpressionPtr condition = parse_tuple(Inline::kNotAllowed);
    expect(TokenKind::kBlockEnd);
    node.branches.emplace_back(std::move(condition), parse_until({"elif", "else", "endif"}));
    if (skip_name("elif")) continue;
    if (skip_name("else"))
      node.otherwise = parse_block("endif");
    else
      expect_name("endif");
    return node;
  }
}

Statement::Node StatementParser::parse_for() {
  For node;
  node.target = parse_target();
  expect_name("in");
  node.items = parse_tuple(Inline::kNotAllowed);
  if (skip_name("if")) node.condition = parse_expression();
  if (current().is_name("recursive")) fail_here("'recursive' loops are not supported");
  expect(TokenKind::kBlockEnd);
  ++loop_depth_;
  node.body = parse_until({"else", "endfor"});
  --loop_depth_;
  if (skip_name("else"))
    node.otherwise = parse_block("endfor");
  else
    expect_name("endfor");
  return node;
}

Statement::Node StatementParser::parse_set() {
  Target target = parse_target();
  if (skip_operator("=")) return Set{std::move(target), parse_tuple()};
  ExpressionPtr filter;
  if (skip_operator("|")) filter = parse_filters(nullptr);
  return SetBlock{std::move(target), std::move(filter), parse_block("endset")};
}

Statement::Node StatementParser::parse_with() {
  With node;
  while (current().kind != TokenKind::kBlockEnd) {
    if (!node.bindings.empty()) expect_operator(",");
    Target target = parse_target_part();
    expect_operator("=");
    node.bindings.emplace_back(std::move(target), parse_expression());
  }
  node.body = parse_block("endwith");
  return node;
}

Signature StatementParser::parse_signature() {
  Signature signature;
  expect_operator("(");
  while (!skip_operator(")")) {
    if (!signature.parameters.empty()) expect_operator(",");
    const int line = current().line;
    Parameter parameter{take_name(), nullptr};
    if (skip_operator("=")) {
      parameter.otherwise = parse_expression();
    } else if (!signature.parameters.empty() && signature.parameters.back().otherwise) {
      throw TemplateError(line, "a parameter without a default follows one that has one");
    }
    signature.parameters.push_back(std::move(parameter));
  }
  return signature;
}

Body StatementParser::parse_callable_body(Signature& signature, std::string_view end) {
  Signature* const outer = std::exchange(signature_, &signature);
  const int outer_loops = std::exchange(loop_depth_, 0);
  Body body = parse_block(end);
  signature_ = outer;
  loop_depth_ = outer_loops;
  return body;
}

Statement::Node StatementParser::parse_macro() {
  MacroDefinition node;
  node.name = take_name();
  node.signature = parse_signature();
  node.body = parse_callable_body(node.signature, "endmacro");
  return node;
}

Statement::Node StatementParser::parse_call_block() {
  CallBlock node;
  if (current().is_operator("(")) node.signature = parse_signature();
  node.call = parse_expression();
  if (!std::holds_alternative<Call>(node.call->node)) {
    throw TemplateError(node.call->line, "'call' needs a call");
  }
  node.body = parse_callable_body(node.signature, "endcall");
  return node;
}

Statement::Node StatementParser::parse_filter_block() {
  ExpressionPtr filter = parse_filters(nullptr);
  return FilterBlock{std::move(filter), parse_block("endfilter")};
}

Target StatementParser::parse_target() {
  Target first = parse_target_part();
  if (!current().is_operator(",")) return first;
  Target tuple;
  tuple.parts.push_back(std::move(first));
  while (skip_operator(",")) {
    if (current().kind != TokenKind::kName && !current().is_operator("(")) break;
    if (current().is_name("in")) break;
    tuple.parts.push_back(parse_target_part());
  }
  return tuple;
}

Target StatementParser::parse_target_part() {
  if (skip_operator("(")) {
    const NestingGuard guard(nesting_, current().line);
    Target target = parse_target();
    expect_operator(")");
    return target;
  }
  const int line = current().line;
  Target target;
  target.name = take_name();
  static constexpr std::string_view kConstants[] = {
      "true", "True", "false", "False", "none", "None", "in"};
  if (std::find(std::begin(kConstants), std::end(kConstants), target.name) !=
      std::end(kConstants)) {
    throw TemplateError(line, fmt::format("cannot assign to '{}'", target.name));
  }
  if (skip_operator(".")) target.attribute = take_name();
  return target;
}

}  // namespace shoal::text::jinja
