// Runs a parsed template once. Not reusable and not shared between threads; the tree and the
// variables must outlive it. Errors leave as TemplateError with the line that was running.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/template/ast.h"
#include "runtime/text/template/budget.h"
#include "runtime/text/template/marked_text.h"
#include "runtime/text/template/scope.h"

namespace shoal::text::jinja {

class Interpreter {
 public:
  explicit Interpreter(const nlohmann::ordered_json& variables);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  MarkedText run(const Body& body);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  void add_globals();
  void add_function(std::string_view name, Value (Interpreter::*function)(const Arguments&));
  Value raise_exception(const Arguments& arguments);
  Value make_namespace(const Arguments& arguments);
  Value make_range(const Arguments& arguments);
  Value make_dict(const Arguments& arguments);
  Value format_now(const Arguments& arguments);

  Flow execute(const Body& body);
  Flow execute_node(const Literal& node);
  Flow execute_node(const Print& node);
  Flow execute_node(const If& node);
  Flow execute_node(const For& node);
  Flow execute_node(const Set& node);
  Flow execute_node(const SetBlock& node);
  Flow execute_node(const With& node);
  Flow execute_node(const MacroDefinition& node);
  Flow execute_node(const CallBlock& node);
  Flow execute_node(const FilterBlock& node);
  Flow execute_node(const Group& node);
  Flow execute_node(const Break&) { return Flow::kBreak; }
  Flow execute_node(const Continue&) { return Flow::kContinue; }

  // What `body` prints, instead of printing it.
  MarkedText capture(const Body& body);
  // `text` through the filters of a set or filter block.
  Value filter_captured(const Expression& filter, MarkedText text);
  void assign(const Target& target, Value value);
  void check_namespaces(const Target& target) const;
  void print(const MarkedText& text) { output_->append(text); }

  // A macro or a caller(): its body sees the scope where it was written.
  Value make_callable(const std::string& name, const Signature& signature, const Body& body);
  Value call_macro(const std::string& name,
                   const Signature& signature,
                   const Body& body,
                   const Arguments& arguments);
  void bind_parameters(const std::string& name, const Signature& signature, Arguments arguments);

  Value evaluate(const Expression& expression);
  Value evaluate(const ExpressionPtr& expression) { return evaluate(*expression); }
  Value evaluate_node(const Constant& node) { return node.value; }
  Value evaluate_node(const Name& node);
  Value evaluate_node(const Attribute& node);
  Value evaluate_node(const Subscript& node);
  Value evaluate_node(const Slice& node);
  Value evaluate_node(const Call& node);
  Value evaluate_node(const Filter& node);
  Value evaluate_node(const Test& node);
  Value evaluate_node(const Not& node) { return Value(!evaluate(node.operand).truthy()); }
  Value evaluate_node(const Sign& node);
  Value evaluate_node(const Binary& node);
  Value evaluate_node(const Logic& node);
  Value evaluate_node(const Comparison& node);
  Value evaluate_node(const Concat& node);
  Value evaluate_node(const Conditional& node);
  Value evaluate_node(const ListLiteral& node);
  Value evaluate_node(const DictLiteral& node);
  Arguments evaluate_arguments(const ArgumentList& arguments);
  Value call(const Value& callee, const Arguments& arguments);
  void charge(const Value& subject, const Arguments& arguments);

  struct ScopeFrame;       // opens a scope, and closes it at the end of a block
  struct EvaluationDepth;  // counts how deep the interpreter has recursed

  Budget budget_;
  MarkedText* output_ = nullptr;
  const Value* captured_ = nullptr;  // the subject of a filter chain that has none of its own
  int line_ = 1;
  int depth_ = 0;
  int calls_ = 0;
  std::vector<std::string> names_;  // of the variables: scopes hold views
  std::shared_ptr<Scope> scope_;
  // Both end with the interpreter: macros point at scopes, and namespaces may hold themselves.
  std::vector<std::shared_ptr<Scope>> kept_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace shoal::text::jinja
