#include "launch/compare/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/base/check.h"

namespace shoal::launch {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr int kDrawings = 200;

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation(std::span<const double> values) {
  const double middle = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

}  // namespace

double student_975(int degrees_of_freedom) {
  constexpr std::array kTable = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  if (degrees_of_freedom < 1) return kInfinite;
  const auto index = static_cast<size_t>(degrees_of_freedom - 1);
  if (index < kTable.size()) return kTable[index];
  // The normal quantile and the first two terms of its expansion (Abramowitz and Stegun 26.7.5).
  const double z = 1.959964;
  const double n = degrees_of_freedom;
  return z + (z * z * z + z) / (4 * n) +
         (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * n * n);
}

Estimate mean_over_chunks(std::span<const double> chunk_means) {
  SHOAL_ASSERT(!chunk_means.empty(), "no chunks");
  const double middle = mean(chunk_means);
  if (chunk_means.size() == 1) return {middle, kInfinite};
  const double standard_error =
      deviation(chunk_means) / std::sqrt(static_cast<double>(chunk_means.size()));
  return {middle, student_975(static_cast<int>(chunk_means.size()) - 1) * standard_error};
}

Estimate over_drawn_chunks(const std::vector<std::vector<double>>& chunks,
                           const std::function<double(std::vector<double>&)>& figure) {
  SHOAL_ASSERT(!chunks.empty(), "no chunks");
  std::vector<double> all;
  for (const auto& chunk : chunks) all.insert(all.end(), chunk.begin(), chunk.end());
  Estimate result{figure(all), kInfinite};
  if (chunks.size() == 1) return result;
  std::mt19937 generator(1);
  std::vector<double> figures;
  for (int i = 0; i < kDrawings; ++i) {
    all.clear();
    for (size_t n = 0; n < chunks.size(); ++n) {
      const auto& chunk = chunks[generator() % chunks.size()];
      all.insert(all.end(), chunk.begin(), chunk.end());
    }
    figures.push_back(figure(all));
  }
  result.error = student_975(static_cast<int>(chunks.size()) - 1) * deviation(figures);
  return result;
}

double quantile(std::vector<double>& values, double share) {
  SHOAL_ASSERT(!values.empty(), "no values");
  const auto index = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace shoal::launch
