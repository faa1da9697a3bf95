#include <fmt/format.h>

#include <utility>

#include "runtime/text/template/filters.h"
#include "runtime/text/template/parser.h"
#include "runtime/text/template/tree_depth.h"

namespace shoal::text::jinja {

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr value) {
  while (true) {
    const int line = current().line;
    if (skip_operator(".")) {
      value = parse_dot(std::move(value));
    } else if (skip_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (skip_operator("(")) {
      value = make_node(line, Call{std::move(value), parse_arguments()});
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::parse_dot(ExpressionPtr object) {
  const int line = current().line;
  if (current().kind == TokenKind::kInteger) {
    return make_node(line, Subscript{std::move(object), parse_primary()});
  }
  std::string name = take_name();
  if (name.starts_with("__")) refuse_host_name(line, name);
  return make_node(line, Attribute{std::move(object), std::move(name)});
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr object) {
  const int line = current().line;
  ExpressionPtr begin, end, step;
  if (!current().is_operator(":")) begin = parse_expression();
  if (begin && current().is_operator(",")) {
    ListLiteral key{true, {}};
    key.items.push_back(std::move(begin));
    while (skip_operator(",")) key.items.push_back(parse_expression());
    begin = make_node(line, std::move(key));
  }
  if (skip_operator("]")) {
    return make_node(line, Subscript{std::move(object), std::move(begin)});
  }
  expect_operator(":");
  if (!current().is_operator(":") && !current().is_operator("]")) end = parse_expression();
  if (skip_operator(":") && !current().is_operator("]")) step = parse_expression();
  expect_operator("]");
  return make_node(line,
                   Slice{std::move(object), std::move(begin), std::move(end), std::move(step)});
}

ArgumentList ExpressionParser::parse_arguments() {
  ArgumentList arguments;
  bool first = true;
  while (!skip_operator(")")) {
    if (!first) {
      expect_operator(",");
      if (skip_operator(")")) break;
    }
    first = false;
    if (current().is_operator("*") || current().is_operator("**")) {
      fail_here("unpacking arguments with '*' is not supported");
    }
    if (current().kind == TokenKind::kName && look_ahead().is_operator("=")) {
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!arguments.named.empty()) fail_here("a positional argument follows a named one");
      arguments.positional.push_back(parse_expression());
    }
  }
  return arguments;
}

ExpressionPtr ExpressionParser::parse_filters_and_tests(ExpressionPtr subject) {
  while (true) {
    const int line = current().line;
    if (skip_operator("|")) {
      subject = parse_filter(std::move(subject));
    } else if (skip_name("is")) {
      subject = parse_test(std::move(subject));
    } else if (skip_operator("(")) {
      subject = make_node(line, Call{std::move(subject), parse_arguments()});
    } else {
      return subject;
    }
  }
}

// Extensions of Jinja name filters and tests "group.name"; here such a name is merely unknown.
std::string ExpressionParser::take_dotted_name() {
  std::string name = take_name();
  while (skip_operator(".")) name += "." + take_name();
  return name;
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr subject) {
  subject = parse_filter(std::move(subject));
  while (skip_operator("|")) subject = parse_filter(std::move(subject));
  return subject;
}

ExpressionPtr ExpressionParser::parse_filter(ExpressionPtr subject) {
  const int line = current().line;
  std::string name = take_dotted_name();
  Builtin function = find_filter(name);
  ArgumentList arguments;
  if (skip_operator("(")) arguments = parse_arguments();
  return make_node(line,
                   Filter{std::move(subject), std::move(name), function, std::move(arguments)});
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr subject) {
  const int line = current().line;
  const bool negated = skip_name("not");
  std::string name = take_dotted_name();
  Builtin function = find_test(name);
  ArgumentList arguments;
  const TokenKind kind = current().kind;
  const bool word = kind == TokenKind::kName && !current().is_name("else") &&
                    !current().is_name("or") && !current().is_name("and");
  const bool literal = kind == TokenKind::kString || kind == TokenKind::kInteger ||
                       kind == TokenKind::kFloat || current().is_operator("[") ||
                       current().is_operator("{");
  if (skip_operator("(")) {
    arguments = parse_arguments();
  } else if (word || literal) {
    if (current().is_name("is")) fail_here("tests cannot be chained with 'is'");
    arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  ExpressionPtr test =
      make_node(line, Test{std::move(subject), std::move(name), function, std::move(arguments)});
  return negated ? make_node(line, Not{std::move(test)}) : std::move(test);
}

}  // namespace shoal::text::jinja
