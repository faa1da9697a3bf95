#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launch/compare/compare_report.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

constexpr double kWidth = 640, kHeight = 320, kLeft = 70, kRight = 20, kTop = 20, kBottom = 45;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

struct Point {
  double x = 0, y = 0, error = 0;
  std::string name;
};

// Linear axes; y from zero, so that a small difference looks small.
class Chart {
 public:
  explicit Chart(std::vector<Point> points) : points_(std::move(points)) {
    std::sort(points_.begin(), points_.end(), [](auto& a, auto& b) { return a.x < b.x; });
    const double spread = std::max(points_.back().x - points_.front().x, points_.back().x * 0.02);
    min_x_ = std::max(0.0, points_.front().x - 0.15 * spread);
    max_x_ = points_.back().x + 0.35 * spread;
    for (const Point& point : points_) max_y_ = std::max(max_y_, point.y + point.error);
    max_y_ *= 1.1;
    if (max_y_ <= 0) max_y_ = 1;
  }

  std::string svg(const std::string& x_title, const std::string& y_title) const {
    std::string out =
        fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} over {}\">\n",
                    kWidth,
                    kHeight,
                    escaped(y_title),
                    escaped(x_title));
    for (int i = 0; i <= 4; ++i) {
      const double y = max_y_ * i / 4;
      out += line(kLeft, at_y(y), kWidth - kRight, at_y(y), "grid");
      out += label(kLeft - 6, at_y(y) + 4, "end", fmt::format("{:.1e}", y));
      const double x = min_x_ + (max_x_ - min_x_) * i / 4;
      out +=
          label(at_x(x), kHeight - kBottom + 18, "middle", human_bytes(static_cast<uint64_t>(x)));
    }
    out += label((kLeft + kWidth - kRight) / 2, kHeight - 6, "middle", x_title);
    out += label(kLeft, kTop - 6, "start", y_title);
    std::string path;
    for (const Point& point : points_)
      path += fmt::format("{:.1f},{:.1f} ", at_x(point.x), at_y(point.y));
    out += fmt::format("<polyline class=\"curve\" points=\"{}\"/>\n", path);
    for (const Point& point : points_) {
      const double x = at_x(point.x);
      if (point.error > 0)
        out += line(
            x, at_y(std::max(0.0, point.y - point.error)), x, at_y(point.y + point.error), "error");
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n", x, at_y(point.y));
      out += label(x + 8, at_y(point.y) - 6, "start", point.name);
    }
    return out + "</svg>\n";
  }

 private:
  double at_x(double x) const {
    return kLeft + (x - min_x_) / (max_x_ - min_x_) * (kWidth - kLeft - kRight);
  }
  double at_y(double y) const {
    return kHeight - kBottom - y / max_y_ * (kHeight - kTop - kBottom);
  }
  static std::string line(double x1, double y1, double x2, double y2, const char* kind) {
    return fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
        kind,
        x1,
        y1,
        x2,
        y2);
  }
  static std::string label(double x, double y, const char* anchor, const std::string& text) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                       x,
                       y,
                       anchor,
                       escaped(text));
  }

  std::vector<Point> points_;
  double min_x_ = 0, max_x_ = 1, max_y_ = 0;
};

double finite(double error) { return std::isfinite(error) ? error : 0; }

std::string cell(const Estimate& estimate, double scale, int digits, const char* unit = "") {
  std::string text = fmt::format("{:.{}f}", scale * estimate.value, digits);
  if (std::isfinite(estimate.error))
    text += fmt::format(" <small>&plusmn; {:.{}f}</small>", scale * estimate.error, digits);
  return fmt::format("<td>{}{}</td>", text, unit);
}

std::string table_row(const ModelScores& model) {
  std::string row = fmt::format("<tr><th>{}</th><td>{}</td><td>{:.2f}</td>{}",
                                escaped(model.name),
                                human_bytes(model.file_bytes),
                                model.bits_per_weight(),
                                cell(model.perplexity(), 1, 4));
  if (model.is_base())
    row += "<td colspan=\"4\" class=\"base\">base</td>";
  else
    row += cell(model.mean_divergence(), 1000, 3) + cell(model.divergence_at(0.5), 1000, 3) +
           cell(model.divergence_at(0.99), 1000, 2) + cell(model.same_top_share(), 100, 2, " %");
  const auto speed = model.speed();
  row += speed ? cell(*speed, 1, 1) : "<td>-</td>";
  return row + "</tr>\n";
}

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>shoal compare</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right}
tbody th{text-align:left;font-weight:600}small,.base{color:#777}.base{text-align:center}
svg{width:100%;max-width:48em;font-size:12px}.grid{stroke:#e4e4e4}.error{stroke:#1463a5;stroke-width:1.5}
.curve{fill:none;stroke:#1463a5;stroke-opacity:.45}circle{fill:#1463a5}
</style></head><body>
<h1>shoal compare</h1>
)";

}  // namespace

std::string compare_page(const Comparison& comparison) {
  std::string page = kHead;
  for (const std::string& line : comparison.verdicts())
    page += fmt::format("<p><strong>{}</strong></p>\n", escaped(line));
  page +=
      "<table><thead><tr><th></th><th>size</th><th>bits a weight</th><th>perplexity</th>"
      "<th>mean KL &times; 1000</th><th>median</th><th>99 %</th><th>same top token</th>"
      "<th>tok/s</th></tr></thead><tbody>\n";
  for (const ModelScores& model : comparison.models) page += table_row(model);
  page += "</tbody></table>\n";
  std::vector<Point> divergences;
  for (const ModelScores& model : comparison.models) {
    const auto bytes = static_cast<double>(model.file_bytes);
    const Estimate divergence = model.is_base() ? Estimate{} : model.mean_divergence();
    divergences.push_back({bytes, divergence.value, finite(divergence.error), model.name});
  }
  page += Chart(divergences).svg("size of the files", "mean KL divergence from the base, nats");
  page += fmt::format(
      "<p>Base: {}. {} predictions in {} chunks of {} tokens of {}. Bars and &plusmn;: 95 % over "
      "chunks, of tok/s one standard deviation{}.</p>\n",
      escaped(comparison.base),
      comparison.num_chunks * comparison.rows_per_chunk,
      comparison.num_chunks,
      comparison.n_ctx,
      escaped(comparison.text),
      comparison.generated > 0 ? fmt::format(" (one sequence of {} tokens)", comparison.generated)
                               : "");
  return page + "</body></html>\n";
}

}  // namespace shoal::launch
