// What CLI11 cannot say well: long names behind one dash (llama.cpp's -np, -npl), flags of other
// programs that mean nothing here, and flags that nobody knows, with the nearest known one.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "launch/command_line/option_set.h"

namespace shoal::launch {

// Arguments behind the command's name -> the same with "-np 4" as "--parallel 4". Values are left
// alone, whatever they look like. Throws Error (usage): one line that says what to type instead.
std::vector<std::string> scan_arguments(std::span<const std::string> arguments,
                                        std::span<const OptionSet::Flag> flags);

}  // namespace shoal::launch
