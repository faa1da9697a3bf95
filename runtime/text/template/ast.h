// The tree of a parsed template: expressions and statements as plain data. Every node knows its
// line, for error texts. Nodes own their children; the tree is immutable once parsed and may be
// read by several renderings at a time.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/template/callable.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;  // null where a part is absent
using Body = std::vector<Statement>;

struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

// --- Expressions

struct Constant {
  Value value;
};
struct Name {
  std::string name;
};
struct Attribute {  // object.name
  ExpressionPtr object;
  std::string name;
};
struct Subscript {  // object[key]
  ExpressionPtr object, key;
};
struct Slice {  // object[begin:end:step]
  ExpressionPtr object, begin, end, step;
};
struct Call {
  ExpressionPtr callee;
  ArgumentList arguments;
};
// subject | name(arguments). A name that the engine lacks fails when it is reached, so a template
// that mentions it in a branch never taken still works.
struct Filter {
  ExpressionPtr subject;  // null: the captured text of a filter or set block
  std::string name;
  Builtin function;
  ArgumentList arguments;
};
struct Test {  // subject is name(arguments)
  ExpressionPtr subject;
  std::string name;
  Builtin function;
  ArgumentList arguments;
};
struct Not {
  ExpressionPtr operand;
};
struct Sign {
  bool negative;
  ExpressionPtr operand;
};
struct Binary {
  BinaryOp op;
  ExpressionPtr left, right;
};
struct Logic {  // `and` stops at the first falsy operand, `or` at the first truthy one
  bool stop_at;
  std::vector<ExpressionPtr> operands;
};
struct Comparison {  // a < b <= c ...
  ExpressionPtr first;
  std::vector<std::pair<CompareOp, ExpressionPtr>> rest;
};
struct Concat {  // a ~ b ~ c
  std::vector<ExpressionPtr> parts;
};
struct Conditional {
  ExpressionPtr condition, then, otherwise;
};
struct ListLiteral {
  bool is_tuple;
  std::vector<ExpressionPtr> items;
};
struct DictLiteral {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

struct Expression {
  using Node = std::variant<Constant,
                            Name,
                            Attribute,
                            Subscript,
                            Slice,
                            Call,
                            Filter,
                            Test,
                            Not,
                            Sign,
                            Binary,
                            Logic,
                            Comparison,
                            Concat,
                            Conditional,
                            ListLiteral,
                            DictLiteral>;
  Node node;
  int line;
  int depth;  // 1 for a leaf; bounded by kMaxExpressionDepth
};

// --- Statements

// What `set` and `for` write to: a name, an attribute of a namespace, or several targets.
struct Target {
  std::string name;
  std::optional<std::string> attribute;
  std::vector<Target> parts;  // not empty: unpack a sequence into these
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // null: undefined when not given
};
struct Signature {
  std::vector<Parameter> parameters;
  bool catches_positional = false;  // the body reads `varargs`
  bool catches_named = false;       // the body reads `kwargs`
};

struct Literal {
  MarkedText text;
};
struct Print {
  ExpressionPtr value;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExpressionPtr items, condition;
  Body body, otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  ExpressionPtr filter;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
  Body body;
};
struct MacroDefinition {
  std::string name;
  Signature signature;
  Body body;
};
struct CallBlock {  // the body is what the called macro gets as caller()
  Signature signature;
  ExpressionPtr call;
  Body body;
};
struct FilterBlock {
  ExpressionPtr filter;
  Body body;
};
struct Group {  // a tag that only marks its body, as {% generation %}
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  using Node = std::variant<Literal,
                            Print,
                            If,
                            For,
                            Set,
                            SetBlock,
                            With,
                            MacroDefinition,
                            CallBlock,
                            FilterBlock,
                            Group,
                            Break,
                            Continue>;
  Node node;
  int line;
};

}  // namespace shoal::text::jinja
