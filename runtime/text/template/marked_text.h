// UTF-8 bytes that remember who wrote each of them: the template (trusted) or the request. Every
// operation of the template engine on strings goes through this class, so the memory survives
// trimming, splitting, joining and escaping. Uniform text, the usual case, costs no more than a
// std::string. Longer than kMaxOutputBytes throws Fault.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/template/rendered_piece.h"

namespace shoal::text::jinja {

class MarkedText {
 public:
  MarkedText() = default;
  MarkedText(std::string bytes, bool trusted);

  const std::string& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  bool trusted_at(size_t pos) const;
  bool all_trusted() const { return first_trusted_ && flips_.empty(); }

  void append(std::string_view bytes, bool trusted);
  void append(const MarkedText& other) { append(other, 0, other.size()); }
  void append(const MarkedText& other, size_t begin, size_t end);  // a byte range of `other`

  MarkedText slice(size_t begin, size_t end) const;

  std::vector<RenderedPiece> pieces() const;

  // Calls visit(std::string_view run, bool trusted) for each stretch of one author, in order.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    visit_runs(0, bytes_.size(), visit);
  }

 private:
  template <class Visit>
  void visit_runs(size_t begin, size_t end, Visit&& visit) const;
  size_t flips_before(size_t pos) const;  // flips at or before `pos`
  bool last_trusted() const { return first_trusted_ != (flips_.size() % 2 == 1); }

  std::string bytes_;
  bool first_trusted_ = true;
  std::vector<uint32_t> flips_;  // ascending byte offsets where the author changes
};

template <class Visit>
void MarkedText::visit_runs(size_t begin, size_t end, Visit&& visit) const {
  size_t flip = flips_before(begin);
  while (begin < end) {
    const size_t run_end = flip < flips_.size() && flips_[flip] < end ? flips_[flip] : end;
    visit(std::string_view(bytes_).substr(begin, run_end - begin),
          first_trusted_ != (flip % 2 == 1));
    begin = run_end;
    ++flip;
  }
}

}  // namespace shoal::text::jinja
