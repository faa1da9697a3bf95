#include "runtime/text/template/budget.h"

#include <fmt/format.h>

#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {

void Budget::exhausted() { fail(fmt::format("template passed {} steps; stopped", kMaxSteps)); }

}  // namespace shoal::text::jinja
