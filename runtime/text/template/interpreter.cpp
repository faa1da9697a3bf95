#include "runtime/text/template/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/text/template/dict.h"
#include "runtime/text/template/interpreter_frames.h"
#include "runtime/text/template/loop.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {

Interpreter::Interpreter(const nlohmann::ordered_json& variables)
    : scope_(std::make_shared<Scope>(nullptr)) {
  try {
    add_globals();
    names_.reserve(variables.size());  // views into it must stay
    for (const auto& [name, value] : variables.items()) {
      names_.push_back(name);
      scope_->set(names_.back(), Value::from_json(value));
    }
  } catch (const Fault& fault) {
    throw TemplateError(line_, fault.message);
  }
}

Interpreter::~Interpreter() {
  for (const auto& held : namespaces_) held->attributes.clear();
}

MarkedText Interpreter::run(const Body& body) {
  MarkedText output;
  output_ = &output;
  try {
    // The template's own variables lie over those of the request, as in Jinja.
    const ScopeFrame frame(scope_, scope_);
    execute(body);
  } catch (const Fault& fault) {
    if (fault.refusal) throw TemplateError(fault.message);
    throw TemplateError(line_, fault.message);
  }
  return output;
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  const EvaluationDepth guard(depth_);
  for (const Statement& statement : body) {
    budget_.statement();
    line_ = statement.line;
    const Flow flow =
        std::visit([this](const auto& node) { return execute_node(node); }, statement.node);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Literal& node) {
  budget_.bytes(node.text.size());
  print(node.text);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Print& node) {
  const Value value = evaluate(node.value);
  if (value.is_text()) {
    budget_.bytes(value.as_text().size());
    print(value.as_text());
  } else {
    const MarkedText text = to_text(value);
    budget_.bytes(text.size());
    print(text);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (evaluate(condition).truthy()) return execute(body);
  }
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::execute_node(const For& node) {
  std::vector<Value> items = iterate(evaluate(node.items), budget_);
  const std::shared_ptr<Scope> outer = scope_;
  Loop::Accept accept;
  if (node.condition) {
    accept = [this, &node, &outer](const Value& item) {
      const ScopeFrame frame(scope_, outer);
      assign(node.target, item);
      return evaluate(node.condition).truthy();
    };
  }
  const auto loop = std::make_shared<Loop>(std::move(items), std::move(accept));
  // The loop variable may be kept in a namespace; its filter must not outlive this frame.
  struct Closer {
    Loop& loop;
    ~Closer() { loop.close(); }
  } const closer{*loop};
  bool any = false;
  while (loop->advance()) {
    any = true;
    budget_.statement();
    const ScopeFrame frame(scope_, outer);
    scope_->set("loop", Value(loop));
    assign(node.target, loop->current());
    if (execute(node.body) == Flow::kBreak) break;
  }
  return any ? Flow::kNext : execute(node.otherwise);
}

Interpreter::Flow Interpreter::execute_node(const Set& node) {
  check_namespaces(node.target);
  assign(node.target, evaluate(node.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const SetBlock& node) {
  check_namespaces(node.target);
  MarkedText text = capture(node.body);
  assign(node.target,
         node.filter ? filter_captured(*node.filter, std::move(text)) : Value(std::move(text)));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const With& node) {
  // The values see the scope outside of the block, not each other.
  std::vector<Value> values;
  for (const auto& binding : node.bindings) values.push_back(evaluate(binding.second));
  const ScopeFrame frame(scope_, scope_);
  for (size_t i = 0; i < values.size(); ++i) assign(node.bindings[i].first, std::move(values[i]));
  return execute(node.body);
}

Interpreter::Flow Interpreter::execute_node(const FilterBlock& node) {
  print(to_text(filter_captured(*node.filter, capture(node.body))));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Group& node) { return execute(node.body); }

Interpreter::Flow Interpreter::execute_node(const MacroDefinition& node) {
  scope_->set(node.name, make_callable(node.name, node.signature, node.body));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const CallBlock& node) {
  static const std::string kCaller = "caller";
  const auto& called = std::get<Call>(node.call->node);
  const Value callee = evaluate(called.callee);
  Arguments arguments = evaluate_arguments(called.arguments);
  arguments.named.emplace_back(kCaller, make_callable(kCaller, node.signature, node.body));
  print(to_text(call(callee, arguments)));
  return Flow::kNext;
}

MarkedText Interpreter::capture(const Body& body) {
  MarkedText text;
  const Restore<MarkedText*> redirect(output_, &text);
  const ScopeFrame frame(scope_, scope_);
  execute(body);
  return text;
}

Value Interpreter::filter_captured(const Expression& filter, MarkedText text) {
  const Value subject(std::move(text));
  const Restore<const Value*> holder(captured_, &subject);
  return evaluate(filter);
}

// Before the value is evaluated, so that the first fault told is the one Jinja tells.
void Interpreter::check_namespaces(const Target& target) const {
  for (const Target& part : target.parts) check_namespaces(part);
  if (!target.attribute) return;
  const Value* holder = scope_->find(target.name);
  if (!holder || !holder->is(Kind::kNamespace)) {
    fail("cannot assign attribute on non-namespace object");
  }
}

void Interpreter::assign(const Target& target, Value value) {
  if (!target.parts.empty()) {
    if (!value.is_text() && !value.is(Kind::kList) && !value.is(Kind::kDict) &&
        !value.is_undefined()) {
      fail(fmt::format("TypeError: cannot unpack non-iterable {} object", value.type_name()));
    }
    std::vector<Value> items = iterate(value, budget_);
    if (items.size() != target.parts.size()) {
      fail(items.size() < target.parts.size()
               ? fmt::format("ValueError: not enough values to unpack (expected {}, got {})",
                             target.parts.size(),
                             items.size())
               : fmt::format("ValueError: too many values to unpack (expected {})",
                             target.parts.size()));
    }
    for (size_t i = 0; i < items.size(); ++i) assign(target.parts[i], std::move(items[i]));
    return;
  }
  if (!target.attribute) {
    scope_->set(target.name, std::move(value));
    return;
  }
  check_namespaces(target);
  scope_->find(target.name)->as_namespace()->set(*target.attribute, std::move(value));
}

Value Interpreter::make_callable(const std::string& name,
                                 const Signature& signature,
                                 const Body& body) {
  kept_scopes_.push_back(scope_);
  Scope* const written_in = scope_.get();
  return Callable{
      name, [this, written_in, &name, &signature, &body](const Arguments& arguments, Budget&) {
        // Shared without owning: kept_scopes_ outlives every call.
        const std::shared_ptr<Scope> parent(std::shared_ptr<Scope>(), written_in);
        const ScopeFrame frame(scope_, parent);
        return call_macro(name, signature, body, arguments);
      }};
}

Value Interpreter::call_macro(const std::string& name,
                              const Signature& signature,
                              const Body& body,
                              const Arguments& arguments) {
  if (calls_ >= kMaxNesting) fail(fmt::format("nesting of calls exceeds {}", kMaxNesting));
  const Restore<int> deeper(calls_, calls_ + 1);
  bind_parameters(name, signature, arguments);
  MarkedText text;
  const Restore<MarkedText*> redirect(output_, &text);
  execute(body);
  return text;
}

void Interpreter::bind_parameters(const std::string& name,
                                  const Signature& signature,
                                  Arguments arguments) {
  const auto take_named = [&](std::string_view wanted) -> std::optional<Value> {
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (it->first != wanted) continue;
      Value value = std::move(it->second);
      arguments.named.erase(it);
      return value;
    }
    return std::nullopt;
  };
  const size_t num_parameters = signature.parameters.size();
  for (size_t i = 0; i < num_parameters; ++i) {
    const Parameter& parameter = signature.parameters[i];
    std::optional<Value> value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      value = take_named(parameter.name);
    }
    if (!value) {
      value =
          parameter.otherwise
              ? evaluate(parameter.otherwise)
              : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    }
    scope_->set(parameter.name, std::move(*value));
  }
  if (auto caller = take_named("caller")) scope_->set("caller", std::move(*caller));
  if (signature.catches_named) {
    Dict rest;
    for (auto& [key, value] : arguments.named) rest.set(Value::text(key, true), std::move(value));
    scope_->set("kwargs", Value::dict(std::move(rest)));
  } else if (!arguments.named.empty()) {
    fail(fmt::format("TypeError: macro '{}' takes no keyword argument '{}'",
                     name,
                     arguments.named.front().first));
  }
  if (signature.catches_positional) {
    const size_t bound = std::min(num_parameters, arguments.positional.size());
    scope_->set("varargs",
                Value::tuple({arguments.positional.begin() + static_cast<ptrdiff_t>(bound),
                              arguments.positional.end()}));
  } else if (arguments.positional.size() > num_parameters) {
    fail(fmt::format(
        "TypeError: macro '{}' takes not more than {} argument(s)", name, num_parameters));
  }
}

}  // namespace shoal::text::jinja
