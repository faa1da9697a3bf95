// How a chat template fails. TemplateError is what callers see: a source that does not parse, a
// template that refuses the conversation, a run past its limits. Fault is how the pieces of the
// engine report to the interpreter, which alone knows the line; it never leaves this folder.
#pragma once
#include <source_location>
#include <string>
#include <utility>

#include "runtime/base/error.h"

namespace shoal::text {

class TemplateError : public Error {
 public:
  // A failure at a line of the template: "chat template line 3: unexpected '}'".
  TemplateError(int line,
                const std::string& reason,
                std::source_location place = std::source_location::current());

  // What the template itself says with raise_exception: the message and nothing else.
  explicit TemplateError(const std::string& refusal,
                         std::source_location place = std::source_location::current());

  // 1-based line of the template; 0 for a refusal.
  int line() const { return line_; }

 private:
  int line_ = 0;
};

namespace jinja {

struct Fault {
  std::string message;
  bool refusal = false;  // raised by the template, so the message stands alone
};

[[noreturn]] inline void fail(std::string message) { throw Fault{std::move(message)}; }

}  // namespace jinja
}  // namespace shoal::text
