// What a model's files hold, for `shoal inspect`: header summary, quantisation mix, tensor table.
// Any architecture. Pure functions; text from the file is made printable, so the result is safe for
// a terminal and for JSON.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "loader/format/metadata.h"
#include "loader/format/tensor_directory.h"

namespace shoal::loader {

enum class Detail : uint8_t { kSummary, kTensors };

// {architecture, name, runnable, refusal, total_bytes, num_parameters, num_tensors, fingerprint,
//  shards: [{path, bytes, data_offset, num_tensors}], config: {...} or null, metadata: {key:
//  value}, quant_mix: [{class, dtype, num_tensors, bytes, bits_per_weight}], tensors: [{name,
//  class, layer, dtype, shape, shard, offset, bytes}]}
// shape is GGUF's order: the contiguous dimension first. Arrays of the metadata are given as
// {type, count}.
nlohmann::ordered_json describe_model(const Metadata& metadata, const TensorDirectory& directory);

// The same for reading; kTensors adds the tensor table.
std::string describe_model_text(const Metadata& metadata,
                                const TensorDirectory& directory,
                                Detail detail);

}  // namespace shoal::loader
