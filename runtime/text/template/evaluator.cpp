#include <fmt/format.h>

#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/access.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/interpreter.h"
#include "runtime/text/template/interpreter_frames.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  const EvaluationDepth guard(depth_);
  budget_.expression();
  line_ = expression.line;
  return std::visit([this](const auto& node) { return evaluate_node(node); }, expression.node);
}

Value Interpreter::evaluate_node(const Name& node) {
  if (const Value* found = scope_->find(node.name)) return *found;
  return Value::undefined(fmt::format("'{}' is undefined", node.name));
}

Value Interpreter::evaluate_node(const Attribute& node) {
  return get_attribute(evaluate(node.object), node.name);
}

Value Interpreter::evaluate_node(const Subscript& node) {
  const Value object = evaluate(node.object);
  return get_item(object, evaluate(node.key), budget_);
}

Value Interpreter::evaluate_node(const Slice& node) {
  const Value object = evaluate(node.object);
  const auto bound = [this](const ExpressionPtr& part) {
    return part ? evaluate(part) : Value::none();
  };
  SliceBounds bounds;
  bounds.begin = bound(node.begin);
  bounds.end = bound(node.end);
  bounds.step = bound(node.step);
  return get_slice(object, bounds, budget_);
}

Arguments Interpreter::evaluate_arguments(const ArgumentList& arguments) {
  Arguments out;
  out.positional.reserve(arguments.positional.size());
  for (const auto& value : arguments.positional) out.positional.push_back(evaluate(value));
  for (const auto& [name, value] : arguments.named) out.named.emplace_back(name, evaluate(value));
  return out;
}

void Interpreter::charge(const Value& subject, const Arguments& arguments) {
  budget_.expression();
  if (subject.is_text()) budget_.bytes(subject.as_text().size());
  for (const Value& argument : arguments.positional) {
    if (argument.is_text()) budget_.bytes(argument.as_text().size());
  }
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  callee.require_defined();
  if (!callee.is(Kind::kCallable)) {
    fail(fmt::format("TypeError: '{}' object is not callable", callee.type_name()));
  }
  charge(callee, arguments);
  Value result = callee.as_callable().invoke(arguments, budget_);
  if (result.is_text()) budget_.bytes(result.as_text().size());
  return result;
}

Value Interpreter::evaluate_node(const Call& node) {
  const int line = line_;
  const Value callee = evaluate(node.callee);
  const Arguments arguments = evaluate_arguments(node.arguments);
  line_ = line;
  return call(callee, arguments);
}

Value Interpreter::evaluate_node(const Filter& node) {
  const int line = line_;
  const Value subject = node.subject ? evaluate(node.subject) : *captured_;
  const Arguments arguments = evaluate_arguments(node.arguments);
  line_ = line;
  if (!node.function) fail(fmt::format("No filter named '{}'.", printable(node.name)));
  charge(subject, arguments);
  Value result = node.function(subject, arguments, budget_);
  if (result.is_text()) budget_.bytes(result.as_text().size());
  return result;
}

Value Interpreter::evaluate_node(const Test& node) {
  const int line = line_;
  const Value subject = evaluate(node.subject);
  const Arguments arguments = evaluate_arguments(node.arguments);
  line_ = line;
  if (!node.function) fail(fmt::format("No test named '{}'.", printable(node.name)));
  return node.function(subject, arguments, budget_);
}

Value Interpreter::evaluate_node(const Sign& node) {
  const Value operand = evaluate(node.operand);
  return node.negative ? negate(operand) : plus(operand);
}

Value Interpreter::evaluate_node(const Binary& node) {
  const int line = line_;
  const Value left = evaluate(node.left);
  const Value right = evaluate(node.right);
  line_ = line;
  return apply(node.op, left, right, budget_);
}

Value Interpreter::evaluate_node(const Logic& node) {
  Value value;
  for (const auto& operand : node.operands) {
    value = evaluate(operand);
    if (value.truthy() == node.stop_at) break;
  }
  return value;
}

Value Interpreter::evaluate_node(const Comparison& node) {
  const int line = line_;
  Value left = evaluate(node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(operand);
    line_ = line;
    if (!compare(op, left, right, budget_)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluate_node(const Concat& node) {
  MarkedText out;
  for (const auto& part : node.parts) {
    const Value value = evaluate(part);
    out.append(value.is_text() ? value.as_text() : to_text(value));
  }
  budget_.bytes(out.size());
  return out;
}

Value Interpreter::evaluate_node(const Conditional& node) {
  const int line = line_;
  if (evaluate(node.condition).truthy()) return evaluate(node.then);
  if (node.otherwise) return evaluate(node.otherwise);
  return Value::undefined(fmt::format(
      "the inline if-expression on line {} evaluated to false and no else section was defined.",
      line));
}

Value Interpreter::evaluate_node(const ListLiteral& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const auto& item : node.items) items.push_back(evaluate(item));
  return node.is_tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

Value Interpreter::evaluate_node(const DictLiteral& node) {
  Dict dict;
  for (const auto& [key, value] : node.entries) {
    Value held_key = evaluate(key);
    dict.set(std::move(held_key), evaluate(value));
  }
  return Value::dict(std::move(dict));
}

}  // namespace shoal::text::jinja
