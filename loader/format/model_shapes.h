// The tensors that a qwen35moe model cannot run without, with the shapes its dimensions demand.
#pragma once
#include "loader/format/model_config.h"
#include "loader/format/tensor_directory.h"

namespace shoal::loader {

// Refuses a tensor that is missing (GGUF-74), has a zero dimension (59), another shape (75), a
// vector that is not f32 (66), and names of layers that do not exist (76). `num_blocks` counts the
// layers of the file, the multi-token-prediction ones included.
void check_tensors(const ModelConfig& config, const TensorDirectory& directory, int num_blocks);

}  // namespace shoal::loader
