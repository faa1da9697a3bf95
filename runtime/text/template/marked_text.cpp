#include "runtime/text/template/marked_text.h"

#include <algorithm>
#include <utility>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

void check_size(size_t size) {
  if (size > kMaxOutputBytes) fail("template output exceeds 4 MiB");
}

}  // namespace

MarkedText::MarkedText(std::string bytes, bool trusted)
    : bytes_(std::move(bytes)), first_trusted_(trusted || bytes_.empty()) {
  check_size(bytes_.size());
}

size_t MarkedText::flips_before(size_t pos) const {
  return std::upper_bound(flips_.begin(), flips_.end(), pos) - flips_.begin();
}

bool MarkedText::trusted_at(size_t pos) const {
  return first_trusted_ != (flips_before(pos) % 2 == 1);
}

void MarkedText::append(std::string_view bytes, bool trusted) {
  if (bytes.empty()) return;
  check_size(bytes_.size() + bytes.size());
  if (bytes_.empty()) {
    first_trusted_ = trusted;
  } else if (last_trusted() != trusted) {
    flips_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  bytes_ += bytes;
}

void MarkedText::append(const MarkedText& other, size_t begin, size_t end) {
  other.visit_runs(
      begin, end, [this](std::string_view run, bool trusted) { append(run, trusted); });
}

MarkedText MarkedText::slice(size_t begin, size_t end) const {
  MarkedText out;
  out.append(*this, begin, end);
  return out;
}

std::vector<RenderedPiece> MarkedText::pieces() const {
  std::vector<RenderedPiece> out;
  for_each_run([&](std::string_view run, bool trusted) {
    out.push_back({std::string(run), trusted});
  });
  return out;
}

}  // namespace shoal::text::jinja
