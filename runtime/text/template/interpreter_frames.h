// The interpreter's guards: what is opened on entry to a block and closed on every way out.
#pragma once
#include <fmt/format.h>

#include <utility>

#include "runtime/text/template/interpreter.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {

// Assigns a value for the length of a block.
template <class T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), held_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(held_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& place_;
  T held_;
};

struct Interpreter::ScopeFrame : Restore<std::shared_ptr<Scope>> {
  explicit ScopeFrame(std::shared_ptr<Scope>& scope, std::shared_ptr<Scope> parent)
      : Restore(scope, std::make_shared<Scope>(std::move(parent))) {}
};

struct Interpreter::EvaluationDepth {
  explicit EvaluationDepth(int& depth) : depth_(depth) {
    if (depth_ >= kMaxEvaluationDepth) fail(fmt::format("nesting exceeds {}", kMaxEvaluationDepth));
    ++depth_;
  }
  ~EvaluationDepth() { --depth_; }
  EvaluationDepth(const EvaluationDepth&) = delete;
  EvaluationDepth& operator=(const EvaluationDepth&) = delete;
  int& depth_;
};

}  // namespace shoal::text::jinja
