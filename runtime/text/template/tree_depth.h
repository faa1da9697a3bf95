// Building expression nodes: each knows how deep its subtree is, because a chain like a+b+c+...
// nests the tree without nesting the source, and the interpreter recurses along it.
#pragma once
#include <string_view>

#include "runtime/text/template/ast.h"

namespace shoal::text::jinja {

// Throws TemplateError past kMaxExpressionDepth.
ExpressionPtr make_node(int line, Expression::Node node);

// For names such as __class__, which would reach the host in Python.
[[noreturn]] void refuse_host_name(int line, std::string_view name);

}  // namespace shoal::text::jinja
