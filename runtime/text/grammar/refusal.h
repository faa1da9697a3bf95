// Why a grammar, a schema or a regular expression was not taken, in one line that names the
// construct and where it stands. RefusedGrammar is thrown inside this folder only; what callers
// see are values.
#pragma once
#include <stdexcept>
#include <string>

namespace shoal::grammar {

struct Refusal {
  std::string message;  // one line, safe to print
};

class RefusedGrammar : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace shoal::grammar
