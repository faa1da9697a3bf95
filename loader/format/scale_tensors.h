// Second-level scales: a weight "X.weight" may come with an f32 tensor "X.scale" that its products
// are multiplied by (kernels/weight_view.h), one number, or one for each expert. Writers leave it
// out where it would be 1. "X.input_scale", which belongs to 4-bit activations, is not used.
#pragma once
#include <string>

#include "loader/format/model_config.h"

namespace shoal::loader {

// The tensor with the scales of "X.weight", or null.
const TensorInfo* find_scale(const TensorDirectory& directory, const std::string& weight_name);

// Every tensor "X.scale" must belong to a weight of a kind that takes scales and have its shape: a
// scale that nobody applies would give wrong numbers in silence. Throws ModelFileError.
void check_scales(const ModelConfig& config, const TensorDirectory& directory);

}  // namespace shoal::loader
