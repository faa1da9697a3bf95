#include "runtime/text/template/template_error.h"

#include <fmt/format.h>

namespace shoal::text {

TemplateError::TemplateError(int line, const std::string& reason, std::source_location place)
    : Error(ExitCode::kRequest, fmt::format("chat template line {}: {}", line, reason), place),
      line_(line) {}

TemplateError::TemplateError(const std::string& refusal, std::source_location place)
    : Error(ExitCode::kRequest, refusal, place) {}

}  // namespace shoal::text
