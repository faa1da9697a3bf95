#include "runtime/text/template/tree_depth.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "runtime/base/printable.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

int deepest(const ExpressionPtr& child) { return child ? child->depth : 0; }

int deepest(const std::vector<ExpressionPtr>& children) {
  int depth = 0;
  for (const auto& child : children) depth = std::max(depth, deepest(child));
  return depth;
}

template <class First, class... Rest>
requires(sizeof...(Rest) > 0) int deepest(const First& first, const Rest&... rest) {
  return std::max({deepest(first), deepest(rest)...});
}

int deepest(const ArgumentList& arguments) {
  int depth = deepest(arguments.positional);
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, deepest(value));
  return depth;
}

struct ChildDepth {
  int operator()(const Constant&) const { return 0; }
  int operator()(const Name&) const { return 0; }
  int operator()(const Attribute& node) const { return deepest(node.object); }
  int operator()(const Subscript& node) const { return deepest(node.object, node.key); }
  int operator()(const Slice& node) const {
    return deepest(node.object, node.begin, node.end, node.step);
  }
  int operator()(const Call& node) const {
    return std::max(deepest(node.callee), deepest(node.arguments));
  }
  int operator()(const Filter& node) const {
    return std::max(deepest(node.subject), deepest(node.arguments));
  }
  int operator()(const Test& node) const {
    return std::max(deepest(node.subject), deepest(node.arguments));
  }
  int operator()(const Not& node) const { return deepest(node.operand); }
  int operator()(const Sign& node) const { return deepest(node.operand); }
  int operator()(const Binary& node) const { return deepest(node.left, node.right); }
  int operator()(const Logic& node) const { return deepest(node.operands); }
  int operator()(const Comparison& node) const {
    int depth = deepest(node.first);
    for (const auto& [op, operand] : node.rest) depth = std::max(depth, deepest(operand));
    return depth;
  }
  int operator()(const Concat& node) const { return deepest(node.parts); }
  int operator()(const Conditional& node) const {
    return deepest(node.condition, node.then, node.otherwise);
  }
  int operator()(const ListLiteral& node) const { return deepest(node.items); }
  int operator()(const DictLiteral& node) const {
    int depth = 0;
    for (const auto& [key, value] : node.entries) depth = std::max(depth, deepest(key, value));
    return depth;
  }
};

}  // namespace

ExpressionPtr make_node(int line, Expression::Node node) {
  const int depth = 1 + std::visit(ChildDepth{}, node);
  if (depth > kMaxExpressionDepth) {
    throw TemplateError(line,
                        fmt::format("an expression nests deeper than {}", kMaxExpressionDepth));
  }
  return std::make_unique<Expression>(Expression{std::move(node), line, depth});
}

void refuse_host_name(int line, std::string_view name) {
  throw TemplateError(line,
                      fmt::format("uses '{}', which does not exist here (no host objects at all)",
                                  printable(name)));
}

}  // namespace shoal::text::jinja
