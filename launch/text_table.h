// Columns of text for a terminal: the first row is the heading, numbers stand to the right.
#pragma once
#include <string>
#include <vector>

namespace shoal::launch {

// Rows of equal length. Columns are aligned right, except the first.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace shoal::launch
