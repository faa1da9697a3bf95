// Variables of one scope of a template and the scope around it. A loop turn, a with block and a
// macro call open a scope; an if block does not.
#pragma once
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

class Scope {
 public:
  // `parent` may be null and outlives nothing: a macro's scope is kept by the interpreter.
  explicit Scope(std::shared_ptr<Scope> parent) : parent_(std::move(parent)) {}

  // Null when no scope here or around has the name.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->parent_.get()) {
      const auto found = scope->variables_.find(name);
      if (found != scope->variables_.end()) return &found->second;
    }
    return nullptr;
  }

  // `name` must outlive the scope: it is a name in the tree or in the variables of the call.
  void set(std::string_view name, Value value) { variables_[name] = std::move(value); }

 private:
  std::shared_ptr<Scope> parent_;
  std::unordered_map<std::string_view, Value> variables_;
};

}  // namespace shoal::text::jinja
