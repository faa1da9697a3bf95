// Figures with error bars. The positions of a chunk resemble each other, so chunks are the samples:
// a figure's uncertainty is what its values over chunks say, never what single positions would.
#pragma once
#include <functional>
#include <span>
#include <vector>

namespace shoal::launch {

struct Estimate {
  double value = 0;
  double error = 0;  // half of the 95 % interval; infinite for a single chunk
};

// Student's 97.5 % quantile, within 0.5 % of the true one; infinite for no degree of freedom.
double student_975(int degrees_of_freedom);

// Of the mean over chunks of equal weight.
Estimate mean_over_chunks(std::span<const double> chunk_means);

// Of any figure over positions: chunks are drawn with replacement (a fixed generator), the figure
// is taken of each drawing, and the error is its spread. `chunks` have a value a position.
Estimate over_drawn_chunks(const std::vector<std::vector<double>>& chunks,
                           const std::function<double(std::vector<double>&)>& figure);

double quantile(std::vector<double>& values, double share);  // reorders; at least one value

}  // namespace shoal::launch
